"""What holds after any fault: each rule is a function that says where a history breaks it.

The rules of the watch are in ``watch.checker``.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from faults.log_rules import LOG_RULES
from faults.queue_rules import QUEUE_RULES
from faults.register import LOST, Step, by_itself, steps, untold_claim, untold_creation
from faults.request_rules import REQUEST_RULES
from faults.search import can_be_ordered
from watch.checker import same
from watch.history import CREATIONS, History, Operation, claims
from watch.truth import DELETED, Breaches, Truth, Violation

from idstatus.v1 import task_pb2


def check_history(history: History, truth: Truth) -> list[Violation]:
    """Return every breach of every rule."""
    return [breach for rule in RULES for breach in rule(history, truth)]


def linearizable(history: History, _: Truth) -> Breaches:
    """The operations on each task have an order that the machine allows and the clock saw.

    Tasks are independent registers: if each is linearizable, all of them together are.
    """
    for task_id, taken in by_task(history).items():
        if not can_be_ordered(taken):
            yield Violation("Linearizable", f"no order explains what was told of {task_id}")


def durable(history: History, truth: Truth) -> Breaches:
    """Every change that was acknowledged, or read, is in the log under its revision."""
    gone = {entry.task.id for entry in truth.entries if entry.type == DELETED}
    for operation in history.operations:
        for said in operation.said():
            entry = truth.by_revision.get(said.revision)
            if not entry or not same(said, entry.task):
                yield Violation("Durable", f"{operation.what}: {said.id} lacks {said.revision}")
        acknowledged = operation.what == "DeleteTask" and operation.answer is not None
        if acknowledged and operation.request.id not in gone:
            yield Violation("Durable", f"{operation.request.id} was deleted, and is there")


def runs_once(history: History, truth: Truth) -> Breaches:
    """No id is run twice, neither by what runners were told nor by what the log says."""
    return run_twice(Counter(claim.task.id for _, claim in claims(history)), truth)


def run_twice(told: Counter[str], truth: Truth) -> Breaches:
    """Return what breaks that rule, given how often runners were told to run each task."""
    ran = Counter(entry.task.id for entry in truth.entries if entry.hands_out)
    for task_id, times in (told | ran).items():
        if times > 1 or not ran[task_id]:
            yield Violation("RunsOnce", f"{task_id} was run {ran[task_id]} times, told {times}")


def exclusive(history: History, truth: Truth) -> Breaches:
    """No two leases of one task are held at the same time, by what their holders were told."""
    ends = _ends_of_leases(history)
    held = defaultdict(list)
    for operation, claim in claims(history):
        held[claim.task.id].append((operation.returned, claim.lease_token))
    for task_id, leases in held.items():
        for (_, first), (begun, _) in pairwise(sorted(leases)):
            if begun < ends.get(first, math.inf):
                yield Violation("Exclusive", f"{task_id} was held by two at {begun:.3f}")


def created_once(history: History, truth: Truth) -> Breaches:
    """A creation that was repeated with its request id has made one task."""
    told: dict[str, list[tuple[str, str]]] = {}
    for operation in history.operations:
        if operation.what in CREATIONS and operation.answer is not None:
            tasks = (task for task in operation.said() if isinstance(task, task_pb2.Task))
            made = [(task.id, task.labels["request"]) for task in tasks]
            if told.setdefault(operation.request_id, made) != made:
                yield Violation("CreatedOnce", f"a repeat of {operation.request_id} made others")
    yield from made_otherwise((label for made in told.values() for _, label in made), truth)


def made_otherwise(told: Iterable[str], truth: Truth) -> Breaches:
    """Return what breaks that rule, given the requests that were said to have made a task."""
    made = Counter(
        entry.task.labels["request"]
        for entry in truth.entries
        if entry.before is None and not entry.task.retry_of and "request" in entry.task.labels
    )
    for request in {*told, *made}:
        if made[request] != 1:
            yield Violation("CreatedOnce", f"request {request} has made {made[request]} tasks")


def explained(history: History, _: Truth) -> Breaches:
    """No call fails by a bug: what the server does not expect, it answers with INTERNAL."""
    for operation in history.operations:
        if "INTERNAL" in operation.error:
            yield Violation("Explained", f"{operation.what} of {operation.who}: {operation.error}")


RULES = (
    linearizable,
    durable,
    runs_once,
    exclusive,
    created_once,
    explained,
    *LOG_RULES,
    *REQUEST_RULES,
    *QUEUE_RULES,
)


def created_together(history: History) -> Iterator[frozenset[int]]:
    """Return the revisions of each batch of creations: no watch may see a part of one."""
    for operation in history.operations:
        if operation.what == "BatchCreateTasks":
            yield frozenset(task.revision for task in operation.said())


def by_task(history: History) -> dict[str, list[Step]]:
    """Return the steps of each task: those of operations, and those that nobody was told of."""
    found: dict[str, list[Step]] = defaultdict(list)
    born: set[str] = set()
    first_try: dict[str, float] = {}
    answered: set[str] = set()
    for operation in history.operations:
        begun = operation.invoked
        if operation.request_id:  # a repeat may be answered with what the first try did
            begun = first_try.setdefault(operation.request_id, begun)
        if operation.request_id and operation.answer is not None:
            if operation.request_id in answered:  # what it is told again, it did not do
                continue
            answered.add(operation.request_id)
        for task_id, apply, revision in steps(operation):
            found[task_id].append(Step(apply, begun, operation.returned, revision))
        if operation.what in (*CREATIONS, "RetryTask"):
            born.update(said.id for said in operation.said())
    claims_made = [operation for operation in history.operations if operation.what == "ClaimTasks"]
    by_any = _untold(claims_made)
    by_a_lost_one = _untold([claim for claim in claims_made if not claim.is_known])
    left_out = _may_be_left_out(history)
    for task_id in found:
        found[task_id] += by_itself()
        found[task_id] += () if task_id in born else untold_creation()
        found[task_id] += by_any if task_id in left_out else by_a_lost_one
    return found


def _untold(claims_made: Sequence[Operation]) -> list[Step]:
    """Return the step by which one of these claims may have handed out a task untold."""
    begun = [claim.invoked for claim in claims_made]
    return [untold_claim(min(begun))] if begun else []


def _may_be_left_out(history: History) -> set[str]:
    """Return the tasks that no claim told of and that were deleted, perhaps before it could."""
    return {
        operation.request.id
        for operation in history.operations
        if operation.what == "DeleteTask" and not operation.refusal
    } - {claim.task.id for _, claim in claims(history)}


def _ends_of_leases(history: History) -> dict[str, float]:
    """Return when each lease ended: its holder reported, or was told that it is no longer its."""
    ends: dict[str, float] = {}
    for operation in history.operations:
        if operation.what == "FinishTasks":
            for report in operation.request.reports:
                ends.setdefault(report.lease_token, operation.invoked)
        elif operation.what == "ExtendLeases" and operation.answer:
            pairs = zip(operation.request.leases, operation.answer.results, strict=True)
            for lease, result in pairs:
                if result.state == LOST:
                    ends.setdefault(lease.lease_token, operation.returned)
    return ends

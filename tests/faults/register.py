"""One task as a register: what each operation may find there, and what it leaves.

The machine is the server's own table; what it does not know of (leases, late reports,
revisions, deletion) is said here, as the contract says it.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from stateful.calls import reason_in
from watch.history import Operation
from watch.truth import Said

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus_server import lifecycle
from idstatus_server.lifecycle import Event, Execution, IllegalEventError, Reason, Status

EXTENDED = runner_pb.LeaseResult.STATE_EXTENDED
CANCELLED = runner_pb.LeaseResult.STATE_CANCELLED
LOST = runner_pb.LeaseResult.STATE_LOST


class State(NamedTuple):
    """A task as far as it is known; one without a status is not there.

    ``revision`` is the least that it can be, and just that if ``exact``. ``lease`` is "" if
    nobody was told of one, and ``outcome`` is what was reported with it. ``retried`` is None
    where an automatic retry may have been made.

    What is not known is said here, and never left to a step: a step that leaves a state as it is
    may be taken at once, so it must do so wherever it stands.
    """

    status: Status | None = None
    reason: Reason = Reason.NONE
    execution: Execution = Execution.NOT_STARTED
    revision: int = 0
    exact: bool = False
    lease: str = ""
    progress: tuple[float, str] | None = None
    outcome: bytes = b""
    retried: bool | None = False

    @property
    def terminal(self) -> bool:
        return self.status in lifecycle.TERMINAL

    def moved(self, event: Event, reason: Reason = Reason.NONE) -> "State | None":
        """Return what the machine makes of it, None if it refuses."""
        machine = lifecycle.State(self.status, self.reason, self.execution) if self.status else None
        try:
            after = lifecycle.apply(machine, event, reason)
        except IllegalEventError:
            return None
        return self.changed(status=after.status, reason=after.reason, execution=after.execution)

    def changed(self, **fields: object) -> "State":
        """Return it at a later revision."""
        later = {"revision": self.revision + 1, "exact": False}
        return self._replace(**(later | fields))  # type: ignore[arg-type]

    def agrees(self, said: Said) -> "State | None":
        """Return it at the revision that was told, None if something else was told of it."""
        known = (int(self.status or 0), int(self.reason), int(self.execution))
        right = said.revision == self.revision if self.exact else said.revision >= self.revision
        if (said.status, said.reason, said.execution) != known or not right:
            return None
        return self._replace(revision=said.revision, exact=True)


ABSENT = State()
_GONE = State(revision=1)  # it was there: it cannot come again

Apply = Callable[[State], State | None]
"""Returns the state after a step, None if the step cannot be made, or not with its answer."""


class Step(NamedTuple):
    """What an operation did to one task, at a moment between its beginning and its end.

    ``revision`` is what the answer told, 0 for none. Whoever has no end may never happen.
    """

    apply: Apply
    invoked: float = -math.inf
    returned: float = math.inf
    revision: int = 0


def told(task: Said, before: State) -> State | None:
    """Return the state after a creation that was answered."""
    after = created(
        Event.CREATE_DELAYED if task.status == task_pb2.STATUS_DELAYED else Event.CREATE, before
    )
    return after and after.agrees(task)


def created(event: Event, before: State) -> State | None:
    """Return the state after a creation that nobody was told of."""
    return before.moved(event) if before == ABSENT else None


def claimed(claim: runner_pb.Claim, before: State) -> State | None:
    """Return the state after a claim that was answered."""
    after = before.moved(Event.CLAIM)
    return after._replace(lease=claim.lease_token).agrees(claim.task) if after else None


def cancelled(said: Said | None, refusal: str, before: State) -> State | None:
    """Return the state after a cancellation: answered, refused, or neither."""
    repeated = before.status is Status.CANCELLED
    after = before if repeated else before.moved(Event.CANCEL, Reason.CLIENT_REQUEST)
    if said:
        return after and after.agrees(said)
    if refusal:
        due = "TASK_FINISHED" if before.terminal else "TASK_NOT_FOUND"
        return before if refusal == due and not after else None
    return after


def retried(new: task_pb2.Task | None, refusal: str, before: State) -> State | None:
    """Return what a retry leaves of the old task: answered, refused, or neither."""
    if refusal == "TASK_ALREADY_RETRIED":
        known = before.terminal and before.retried is not False
        return before._replace(retried=True) if known else None
    if refusal:
        due = "TASK_NOT_FINISHED" if before.status else "TASK_NOT_FOUND"
        return before if refusal == due and not before.terminal else None
    if not before.terminal or before.retried:
        return None
    after = before.changed(retried=True)
    if new is None:
        return after
    revision = new.revision - 1  # they are committed together
    return after._replace(revision=revision, exact=True) if after.revision <= revision else None


def deleted(refusal: str, before: State) -> State | None:
    """Return the state after a deletion: answered, refused, or neither."""
    if refusal:
        due = "TASK_NOT_FINISHED" if before.status else "TASK_NOT_FOUND"
        return before if refusal == due and not before.terminal else None
    return _GONE if before.terminal else None


def read(said: Said | None, refusal: str, before: State) -> State | None:
    """Return the state that was read, or that nothing was found."""
    if said:
        return before.agrees(said)
    return None if before.status or refusal != "TASK_NOT_FOUND" else before


def extended(
    lease: runner_pb.Lease, result: runner_pb.LeaseResult | None, before: State
) -> State | None:
    """Return the state after an extension, which may bring progress."""
    state, after = LOST, before
    if before.lease == lease.lease_token:
        if before.status is Status.RUNNING:
            state, after = EXTENDED, _progressed(lease, before)
        elif before.status is Status.CANCELLED:
            state = CANCELLED
    return after if result is None or result.state == state else None


def _progressed(lease: runner_pb.Lease, before: State) -> State:
    """Return it with the progress of a lease: only one that differs is a change."""
    if not lease.HasField("progress"):
        return before
    progress = lease.progress.fraction, lease.progress.message
    return before if progress == before.progress else before.changed(progress=progress)


def finished(
    report: runner_pb.Report, result: runner_pb.FinishResult | None, before: State
) -> State | None:
    """Return the state after a report, in time or late."""
    error, after = _reported(report, before)
    if result is None:
        return after
    if reason_in(result) != error:
        return None
    return after.agrees(result.id_status) if after and not error else after


def _reported(report: runner_pb.Report, before: State) -> tuple[str, State | None]:
    """Return the refusal of a report, "" for none, and the state that it leaves."""
    if before.status is None:
        return "TASK_NOT_FOUND", before
    if before.lease != report.lease_token:
        return "LEASE_NOT_HELD", before
    if before.status is Status.RUNNING:
        return "", _ended(report, before)
    if before.execution is Execution.MAY_BE_RUNNING:
        return "TASK_FINISHED", before.changed(execution=Execution.ENDED)
    return "" if before.outcome == _outcome(report) else "TASK_FINISHED", before


def _ended(report: runner_pb.Report, before: State) -> State | None:
    """Return it as the runner says that it ended."""
    if report.WhichOneof("outcome") == "success":
        after = before.moved(Event.SUCCEED)
        return after and after._replace(outcome=_outcome(report))
    after = before.moved(Event.FAIL, Reason(report.error.reason))
    return after and after._replace(outcome=_outcome(report), retried=None)


def _outcome(report: runner_pb.Report) -> bytes:
    return report.SerializeToString(deterministic=True)


def expired(before: State) -> State | None:
    """Return the state after the server has given up a runner."""
    after = before.moved(Event.EXPIRE, Reason.TIMEOUT)
    return after._replace(retried=None) if after else None


# -- what an operation did to each task: its id, the step, and the revision told


Taken = Iterator[tuple[str, Apply, int]]


def steps(operation: Operation) -> Taken:
    """Return the steps of an operation."""
    return _STEPS.get(operation.what, _nothing)(operation)


def _create(operation: Operation) -> Taken:
    for task in operation.said():
        yield task.id, partial(told, task), task.revision


def _claim(operation: Operation) -> Taken:
    for claim in operation.answer.claims if operation.answer else ():
        yield claim.task.id, partial(claimed, claim), claim.task.revision


def _cancel(operation: Operation) -> Taken:
    said = next(operation.said(), None)
    step = partial(cancelled, said, operation.refusal)
    yield operation.request.id, step, said.revision if said else 0


def _retry(operation: Operation) -> Taken:
    new = operation.answer.task if operation.answer else None
    step = partial(retried, new, operation.refusal)
    yield operation.request.id, step, new.revision - 1 if new else 0
    yield from _create(operation)


def _delete(operation: Operation) -> Taken:
    yield operation.request.id, partial(deleted, operation.refusal), 0


def _read(operation: Operation) -> Taken:
    """A list also tells of what a test has created for itself, and does with as it likes."""
    for said in operation.said():
        if not isinstance(said, task_pb2.Task) or "request" in said.labels:
            yield said.id, partial(read, said, ""), said.revision
    if operation.refusal:
        yield operation.request.id, partial(read, None, operation.refusal), 0


def _extend(operation: Operation) -> Taken:
    leases, answer = operation.request.leases, operation.answer
    results = answer.results if answer else [None] * len(leases)
    for lease, result in zip(leases, results, strict=True):
        yield lease.id, partial(extended, lease, result), 0


def _finish(operation: Operation) -> Taken:
    reports, answer = operation.request.reports, operation.answer
    results = answer.results if answer else [None] * len(reports)
    for report, result in zip(reports, results, strict=True):
        revision = result.id_status.revision if result else 0
        yield report.id, partial(finished, report, result), revision


def _nothing(_: Operation) -> Taken:
    yield from ()


_STEPS: dict[str, Callable[[Operation], Taken]] = {
    "CreateTask": _create,
    "BatchCreateTasks": _create,
    "ClaimTasks": _claim,
    "CancelTask": _cancel,
    "RetryTask": _retry,
    "DeleteTask": _delete,
    "GetIdStatus": _read,
    "GetTask": _read,
    "ListTasks": _read,
    "ExtendLeases": _extend,
    "FinishTasks": _finish,
}


# -- what nobody was told of


def by_itself() -> Iterator[Step]:
    """Return what may befall a task without anyone being told."""
    yield Step(lambda before: before.moved(Event.DUE))
    yield Step(expired)


def untold_creation() -> Iterator[Step]:
    """Return how a task may come to be whose creation nobody was told of."""
    for event in (Event.CREATE, Event.CREATE_DELAYED):
        yield Step(partial(created, event))


def untold_claim(since: float) -> Step:
    """Return the claim whose answer was lost: after the first of those, it may be of any task."""
    return Step(lambda before: before.moved(Event.CLAIM), since)

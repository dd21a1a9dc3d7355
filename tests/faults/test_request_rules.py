"""Each rule over requests and the log can fail: doctored histories, and who complains."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from faults.queue_rules import QUEUE_RULES
from faults.request_rules import REQUEST_RULES
from watch.history import History, Operation
from watch.truth import DELETED, TRANSITION, UPDATE, Truth

from idstatus.v1 import queue_service_pb2 as queue_pb
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

MAY_RUN, ENDED = task_pb2.EXECUTION_MAY_BE_RUNNING, task_pb2.EXECUTION_ENDED
NEW = {"queue": "q", "payload": b"work"}


class Story:
    """Two tasks of a queue are created, one after the other; the first is handed out."""

    def __init__(self) -> None:
        self.history = History()
        self.log: list[pb.TaskChange] = []
        self._tasks: dict[str, task_pb2.Task] = {}
        for task_id in ("one", "two"):
            self.ask(task_id)
            self.write(task_id, task_pb2.STATUS_QUEUED)
        self.claims = self.tell(runner_pb.ClaimTasksRequest(max_tasks=1)).answer
        self.write("one", task_pb2.STATUS_RUNNING, execution=MAY_RUN)
        self.claims.claims.add(task=self.log[-1].task).task.payload = b"work"

    def ask(self, task_id: str, **fields: Any) -> pb.CreateTaskRequest:
        """Let a creation be asked for."""
        labels = {"request": task_id}
        request = pb.CreateTaskRequest(labels=labels, **(NEW | fields))
        self.history.operations.append(Operation("someone", "CreateTask", request, 1))
        return request

    def tell(self, request: runner_pb.ClaimTasksRequest) -> Operation:
        """Let a claim be answered."""
        answer = runner_pb.ClaimTasksResponse()
        claim = Operation("someone", "ClaimTasks", request, 1, 2, answer)
        self.history.operations.append(claim)
        return claim

    def hand_out(self, task_id: str) -> None:
        """Let the claim hand out another task."""
        self.write(task_id, task_pb2.STATUS_RUNNING, execution=MAY_RUN)
        self.claims.claims.add(task=self.log[-1].task).task.payload = b"work"

    def give_limit(self, acknowledged: float) -> None:
        """Let the queue be given a limit of one."""
        queue = queue_pb.Queue(name="q", max_running=1)
        request, answer = queue_pb.UpdateQueueRequest(queue=queue), queue_pb.UpdateQueueResponse()
        given = Operation("someone", "UpdateQueue", request, 0, acknowledged, answer)
        self.history.operations.append(given)

    def read_limit(self, told: int) -> None:
        """Let someone be told of the queue's limit."""
        answer = queue_pb.GetQueueResponse(queue=queue_pb.Queue(name="q", max_running=told))
        request = queue_pb.GetQueueRequest(name="q")
        self.history.operations.append(Operation("someone", "GetQueue", request, 1, 2, answer))

    def write(self, task_id: str, status: Any, kind: Any = TRANSITION, **fields: Any) -> None:
        """Write a change into the log, a second after the one before."""
        task = task_pb2.Task(id=task_id, queue="q", labels={"request": task_id})
        task.MergeFrom(self._tasks.get(task_id, task_pb2.Task()))
        task.MergeFrom(task_pb2.Task(status=status, revision=len(self.log) + 1, **fields))
        task.update_time.seconds = task.revision
        self._tasks[task_id] = task
        said = task_pb2.IdStatus(id=task_id, revision=task.revision)
        self.log.append(pb.TaskChange(type=kind, id_status=said, task=task))

    def broken(self) -> set[str]:
        """Return the names of the rules that it breaks."""
        truth = Truth(self.log)
        rules = (*REQUEST_RULES, *QUEUE_RULES)
        return {breach.rule for rule in rules for breach in rule(self.history, truth)}


def nobody_asked(story: Story) -> None:
    story.write("three", task_pb2.STATUS_QUEUED)


def another_queue(story: Story) -> None:
    story.ask("three", queue="other")
    story.write("three", task_pb2.STATUS_QUEUED)


def another_payload(story: Story) -> None:
    story.claims.claims[0].task.payload = b"other"


def another_priority(story: Story) -> None:
    story.claims.claims[0].task.priority = 1


def out_of_turn(story: Story) -> None:
    story.ask("three")
    story.write("three", task_pb2.STATUS_QUEUED)
    story.hand_out("three")


def not_by_priority(story: Story) -> None:
    story.ask("three", priority=1)
    story.write("three", task_pb2.STATUS_QUEUED, priority=1)
    story.hand_out("two")


def two_holders(story: Story) -> None:
    for task_id in ("three", "four"):
        story.ask(task_id, unique_key="key")
        story.write(task_id, task_pb2.STATUS_QUEUED, unique_key="key")


def silent_claim(story: Story) -> None:
    story.write("two", task_pb2.STATUS_RUNNING, execution=MAY_RUN)


def report_not_kept(story: Story) -> None:
    story.write("one", task_pb2.STATUS_ERROR)
    story.write("one", task_pb2.STATUS_ERROR, UPDATE, execution=ENDED)


def report_changed(story: Story) -> None:
    story.write("one", task_pb2.STATUS_ERROR)
    first = task_pb2.LateReport(stopped=task_pb2.Stopped())
    story.write("one", task_pb2.STATUS_ERROR, UPDATE, execution=ENDED, late_report=first)
    other = task_pb2.LateReport(error=task_pb2.Failure(message="other"))
    story.write("one", task_pb2.STATUS_ERROR, UPDATE, late_report=other)


def claim_refused(story: Story) -> None:
    claim = story.tell(runner_pb.ClaimTasksRequest())
    claim.answer, claim.error = None, "TASK_NOT_FOUND"


def creation_refused(story: Story) -> None:
    story.ask("three")
    creation = story.history.operations[-1]
    creation.returned, creation.error = 2, "UNIQUE_KEY_HELD"


def one_too_many(story: Story) -> None:
    story.give_limit(acknowledged=0.5)
    story.hand_out("two")


def another_limit(story: Story) -> None:
    story.give_limit(acknowledged=0.5)
    story.read_limit(0)


@pytest.mark.parametrize(
    ("doctor", "rule"),
    [
        (nobody_asked, "AsAsked"),
        (another_queue, "AsAsked"),
        (another_payload, "AsAsked"),
        (another_priority, "AsAsked"),
        (out_of_turn, "InLine"),
        (not_by_priority, "InLine"),
        (two_holders, "KeyHeld"),
        (silent_claim, "Told"),
        (report_not_kept, "LateKept"),
        (report_changed, "LateKept"),
        (claim_refused, "Refused"),
        (creation_refused, "Refused"),
        (one_too_many, "Bounded"),
        (another_limit, "Bounded"),
    ],
)
def test_a_breach_is_seen(doctor: Callable[[Story], None], rule: str) -> None:
    story = Story()
    doctor(story)
    assert story.broken() == {rule}


def test_a_faultless_story_breaks_no_rule() -> None:
    story = Story()
    story.write("one", task_pb2.STATUS_SUCCESS, execution=ENDED)
    story.write("one", task_pb2.STATUS_SUCCESS, DELETED)
    assert story.broken() == set()


def test_a_claim_whose_answer_was_lost_may_have_handed_out_as_many_as_it_asked_for() -> None:
    story = Story()
    silent_claim(story)
    lost = story.tell(runner_pb.ClaimTasksRequest(max_tasks=1))
    lost.answer, lost.returned = None, math.inf
    assert story.broken() == set()


def test_with_a_limit_of_one_they_run_one_after_the_other() -> None:
    story = Story()
    story.give_limit(acknowledged=0.5)
    story.write("one", task_pb2.STATUS_SUCCESS, execution=ENDED)
    story.hand_out("two")
    story.read_limit(1)
    assert story.broken() == set()


def test_a_claim_that_began_before_the_limit_was_acknowledged_may_pass_it() -> None:
    story = Story()
    story.give_limit(acknowledged=1.5)
    story.hand_out("two")
    assert story.broken() == set()


def test_a_key_is_free_once_its_holder_has_ended() -> None:
    story = Story()
    for task_id in ("three", "four"):
        story.ask(task_id, unique_key="key")
        story.write(task_id, task_pb2.STATUS_QUEUED, unique_key="key")
        story.write(task_id, task_pb2.STATUS_CANCELLED)
    refused = story.ask("five", unique_key="key")
    assert refused.unique_key == "key"
    story.history.operations[-1].returned, story.history.operations[-1].error = 2, "UNIQUE_KEY_HELD"
    assert story.broken() == set()

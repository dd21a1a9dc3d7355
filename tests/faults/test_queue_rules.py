"""The rule over a queue's limit can fail: doctored histories, and whether it complains."""

from faults.queue_rules import bounded
from google.protobuf.message import Message
from watch.history import History, Operation
from watch.truth import TRANSITION, Truth

from idstatus.v1 import queue_service_pb2 as queue_pb
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb


class Story:
    """A queue is given a limit of one; each call takes a second."""

    def __init__(self) -> None:
        self.history = History()
        self.log: list[pb.TaskChange] = []
        queue = queue_pb.Queue(name="q", max_running=1)
        self.call(queue_pb.UpdateQueueRequest(queue=queue), queue_pb.UpdateQueueResponse())

    def call(self, request: Message, answer: Message, begun: float | None = None) -> None:
        """Let a call be answered."""
        what = type(request).__name__.removesuffix("Request")
        now = len(self.history.operations)
        begun = now if begun is None else begun
        self.history.operations.append(Operation("one", what, request, begun, now + 0.5, answer))

    def read(self, limit: int) -> None:
        """Let someone be told of the limit."""
        queue = queue_pb.Queue(name="q", max_running=limit)
        self.call(queue_pb.GetQueueRequest(name="q"), queue_pb.GetQueueResponse(queue=queue))

    def hand_out(self, task_id: str, begun: float | None = None) -> None:
        """Let a claim be answered with a task."""
        task = self.write(task_id, task_pb2.STATUS_RUNNING)
        claim = runner_pb.Claim(task=task)
        self.call(
            runner_pb.ClaimTasksRequest(), runner_pb.ClaimTasksResponse(claims=[claim]), begun
        )

    def write(self, task_id: str, status: task_pb2.Status.ValueType) -> task_pb2.Task:
        """Write a change into the log."""
        task = task_pb2.Task(id=task_id, queue="q", status=status, revision=len(self.log) + 1)
        said = task_pb2.IdStatus(id=task_id, revision=task.revision)
        self.log.append(pb.TaskChange(type=TRANSITION, id_status=said, task=task))
        return task

    def is_sound(self) -> bool:
        """Tell whether the rule finds nothing."""
        return not list(bounded(self.history, Truth(self.log)))


def test_one_after_the_other_is_sound() -> None:
    story = Story()
    story.hand_out("a")
    story.write("a", task_pb2.STATUS_SUCCESS)
    story.hand_out("b")
    story.read(1)
    assert story.is_sound()


def test_one_too_many_is_seen() -> None:
    story = Story()
    story.hand_out("a")
    story.hand_out("b")
    assert not story.is_sound()


def test_a_claim_that_began_before_the_limit_was_acknowledged_may_pass_it() -> None:
    story = Story()
    story.hand_out("a")
    story.hand_out("b", begun=0.1)
    assert story.is_sound()


def test_a_limit_that_became_another_is_seen() -> None:
    story = Story()
    story.read(0)
    assert not story.is_sound()

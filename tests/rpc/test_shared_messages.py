"""What the watchers of one feed are sent: encoded once, and one message if it fits."""

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as t
from idstatus_server.model import Change, Kind, Mark, Task
from idstatus_server.rpc.encode import BASIC, FULL, STATUS
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.rpc.watching import shared
from idstatus_server.watch import Position
from idstatus_server.watch.feed import Delivery

TOKENS = Tokens("00" * 8)


def delivery(*revisions: int, label: str = "") -> Delivery:
    tasks = [
        Task(id=f"t{n}", queue="q", timeout=1, revision=n, labels={"l": label}) for n in revisions
    ]
    changes = [
        Change(revision=task.revision, unit=revisions[-1], kind=Kind.TRANSITION, task=task)
        for task in tasks
    ]
    return Delivery(changes, Mark(revisions[-1], 7))


def parsed(message: bytes) -> tuple[list[int], str]:
    told = t.WatchTasksResponse.FromString(message)
    return [change.id_status.revision for change in told.changes], told.resume_token


def token(revision: int) -> str:
    return TOKENS.resume(Position(Mark(revision, 7)))


def test_a_delivery_is_encoded_once_for_all() -> None:
    one = delivery(1, 2)
    first = shared(TOKENS, [one], STATUS)
    assert parsed(first) == ([1, 2], token(2))
    assert shared(TOKENS, [one], STATUS) is first


def test_several_deliveries_are_one_message_with_the_last_token() -> None:
    message = shared(TOKENS, [delivery(1), delivery(2, 3), delivery(5)], STATUS)
    assert parsed(message) == ([1, 2, 3, 5], token(5))


def test_each_view_is_encoded_by_itself() -> None:
    one = delivery(1)
    views: list[task_pb2.TaskView.ValueType] = [STATUS, BASIC]
    told = [t.WatchTasksResponse.FromString(shared(TOKENS, [one], view)) for view in views]
    assert [message.changes[0].HasField("task") for message in told] == [False, True]


def test_what_does_not_fit_or_differs_from_one_watcher_to_the_next_is_not_shared() -> None:
    half = "x" * (MAX_ANSWER // 2)
    assert shared(TOKENS, [delivery(1, label=half)], BASIC)
    assert not shared(TOKENS, [delivery(1, label=half), delivery(2, label=half)], BASIC)
    assert not shared(TOKENS, [delivery(1)], FULL)
    assert not shared(TOKENS, [], STATUS)

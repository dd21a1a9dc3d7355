"""Each rule over a history can fail: doctored histories, and who complains."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from faults.rules import check_history, linearizable
from watch.history import History, Operation
from watch.truth import DELETED, TRANSITION, Truth

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

QUEUED, RUNNING = task_pb2.STATUS_QUEUED, task_pb2.STATUS_RUNNING
SUCCESS, CANCELLED = task_pb2.STATUS_SUCCESS, task_pb2.STATUS_CANCELLED
EXECUTION = {
    QUEUED: task_pb2.EXECUTION_NOT_STARTED,
    RUNNING: task_pb2.EXECUTION_MAY_BE_RUNNING,
    SUCCESS: task_pb2.EXECUTION_ENDED,
}
LEASE, OTHER = "lease 1", "lease 2"
Operations = dict[str, Operation]


def task(status: task_pb2.Status.ValueType, revision: int) -> task_pb2.Task:
    made = task_pb2.Task(id="a", status=status, revision=revision, execution=EXECUTION[status])
    made.labels["request"] = "once"
    return made


def status(number: task_pb2.Status.ValueType, revision: int) -> task_pb2.IdStatus:
    return task_pb2.IdStatus.FromString(task(number, revision).SerializeToString())


def operation(at: float, request: Any, answer: Any, until: float = 0) -> Operation:
    what = type(request).__name__.removesuffix("Request")
    return Operation("someone", what, request, at, until or at + 0.5, answer)


def claim(at: float, lease: str, revision: int) -> Operation:
    given = runner_pb.Claim(task=task(RUNNING, revision), lease_token=lease)
    return operation(
        at, runner_pb.ClaimTasksRequest(), runner_pb.ClaimTasksResponse(claims=[given])
    )


def read(at: float, number: task_pb2.Status.ValueType, revision: int) -> Operation:
    answer = pb.GetIdStatusResponse(id_status=status(number, revision))
    return operation(at, pb.GetIdStatusRequest(id="a"), answer)


@pytest.fixture
def told() -> Operations:
    """A life without fault: created, claimed, asked for, finished, deleted."""
    report = runner_pb.Report(id="a", lease_token=LEASE, success=task_pb2.Success())
    finished = runner_pb.FinishResult(id_status=status(SUCCESS, 3))
    return {
        "create": operation(
            1,
            pb.CreateTaskRequest(request_id="once", labels={"request": "once"}),
            pb.CreateTaskResponse(task=task(QUEUED, 1)),
        ),
        "claim": claim(2, LEASE, 2),
        "read": read(3, RUNNING, 2),
        "finish": operation(
            4,
            runner_pb.FinishTasksRequest(reports=[report]),
            runner_pb.FinishTasksResponse(results=[finished]),
        ),
        "delete": operation(5, pb.DeleteTaskRequest(id="a"), pb.DeleteTaskResponse()),
    }


def change(
    kind: pb.TaskChange.Type.ValueType, number: task_pb2.Status.ValueType, revision: int
) -> pb.TaskChange:
    said = task(number, revision)
    return pb.TaskChange(type=kind, id_status=status(number, revision), task=said)


@pytest.fixture
def log() -> list[pb.TaskChange]:
    lived = [(QUEUED, 1), (RUNNING, 2), (SUCCESS, 3)]
    return [*(change(TRANSITION, *step) for step in lived), change(DELETED, SUCCESS, 4)]


def broken(told: Operations, log: list[pb.TaskChange]) -> set[str]:
    history = History()
    history.operations = list(told.values())
    return {breach.rule for breach in check_history(history, Truth(log))}


def test_a_faultless_history_breaks_no_rule(told: Operations, log: list[pb.TaskChange]) -> None:
    assert broken(told, log) == set()


def read_what_was(told: Operations, _: list[pb.TaskChange]) -> None:
    told["read"] = read(3, QUEUED, 1)


def read_what_is_to_come(told: Operations, _: list[pb.TaskChange]) -> None:
    told["read"] = read(3, SUCCESS, 3)


def read_an_older_revision(told: Operations, _: list[pb.TaskChange]) -> None:
    told["again"] = read(3.6, RUNNING, 1)


def find_nothing(told: Operations, _: list[pb.TaskChange]) -> None:
    request = pb.GetIdStatusRequest(id="a")
    told["read"] = Operation("someone", "GetIdStatus", request, 3, 3.5, None, "TASK_NOT_FOUND")


def refuse_without_reason(told: Operations, _: list[pb.TaskChange]) -> None:
    request = pb.CancelTaskRequest(id="a")
    told["cancel"] = Operation("someone", "CancelTask", request, 3, 3.5, None, "TASK_FINISHED")


def finish_before_the_claim(told: Operations, _: list[pb.TaskChange]) -> None:
    told["finish"].invoked, told["finish"].returned = 1.6, 1.7


def claim_again_later(told: Operations, log: list[pb.TaskChange]) -> None:
    told["again"] = claim(4.6, OTHER, 2)


def claim_again_meanwhile(told: Operations, log: list[pb.TaskChange]) -> None:
    told["again"] = claim(3, OTHER, 2)


def claim_again_in_the_log(_: Operations, log: list[pb.TaskChange]) -> None:
    log.append(change(TRANSITION, RUNNING, 5))


def lose_the_end(_: Operations, log: list[pb.TaskChange]) -> None:
    del log[2:]


def lose_the_deletion(_: Operations, log: list[pb.TaskChange]) -> None:
    del log[3]


def rewrite_the_log(_: Operations, log: list[pb.TaskChange]) -> None:
    log[2] = change(TRANSITION, RUNNING, 3)


def create_twice(_: Operations, log: list[pb.TaskChange]) -> None:
    twin = change(TRANSITION, QUEUED, 5)
    twin.id_status.id = twin.task.id = "b"
    log.append(twin)


def fail_by_a_bug(told: Operations, _: list[pb.TaskChange]) -> None:
    told["cancel"] = cancel_untold(3)
    told["cancel"].error = f"{grpc.StatusCode.INTERNAL}"


@pytest.mark.parametrize(
    ("doctor", "rule"),
    [
        (read_what_was, "Linearizable"),
        (read_what_is_to_come, "Linearizable"),
        (read_an_older_revision, "Linearizable"),
        (find_nothing, "Linearizable"),
        (refuse_without_reason, "Linearizable"),
        (finish_before_the_claim, "Linearizable"),
        (claim_again_later, "RunsOnce"),
        (claim_again_meanwhile, "Exclusive"),
        (claim_again_in_the_log, "RunsOnce"),
        (lose_the_end, "Durable"),
        (lose_the_deletion, "Durable"),
        (rewrite_the_log, "Durable"),
        (create_twice, "CreatedOnce"),
        (fail_by_a_bug, "Explained"),
    ],
)
def test_a_doctored_history_breaks_its_rule(
    told: Operations,
    log: list[pb.TaskChange],
    doctor: Callable[[Operations, list[pb.TaskChange]], None],
    rule: str,
) -> None:
    doctor(told, log)
    assert rule in broken(told, log)


def test_one_who_reported_holds_the_lease_no_more(
    told: Operations, log: list[pb.TaskChange]
) -> None:
    claim_again_later(told, log)
    assert "Exclusive" not in broken(told, log)


def cancel_untold(at: float) -> Operation:
    request = pb.CancelTaskRequest(id="a")
    return Operation("someone", "CancelTask", request, at, math.inf, None, "UNAVAILABLE")


def test_what_nobody_was_told_of_may_have_happened_or_not(
    told: Operations, log: list[pb.TaskChange]
) -> None:
    told["cancel"] = cancel_untold(0)
    assert broken(told, log) == set()
    cancelled = status(RUNNING, 3)
    cancelled.status, cancelled.reason = CANCELLED, task_pb2.REASON_CLIENT_REQUEST
    told["read"].answer.id_status.CopyFrom(cancelled)
    del told["finish"], told["delete"]
    log[2:] = [change(TRANSITION, RUNNING, 3)]
    log[2].task.MergeFrom(task_pb2.Task(status=CANCELLED, reason=cancelled.reason))
    assert broken(told, log) == set()
    told["cancel"] = cancel_untold(3.6)  # too late for who has read of it
    assert broken(told, log) == {"Linearizable"}


def test_a_repeat_may_be_answered_with_what_the_first_try_did(
    told: Operations, log: list[pb.TaskChange]
) -> None:
    first = Operation("someone", "CreateTask", told["create"].request, 1, error="UNAVAILABLE")
    told["create"].invoked, told["create"].returned = 3, 3.5
    assert broken(told, log) == {"Linearizable"}
    assert broken({"first": first, **told}, log) == set()


def test_who_got_a_task_whose_creation_nobody_was_told_of_is_believed(
    told: Operations, log: list[pb.TaskChange]
) -> None:
    told["create"].answer, told["create"].returned = None, math.inf
    assert broken(told, log) == set()


def extend(at: float, fraction: float, until: float = 0) -> Operation:
    lease = runner_pb.Lease(id="a", lease_token=LEASE)
    lease.progress.fraction = fraction
    extended = runner_pb.LeaseResult(id="a", state=runner_pb.LeaseResult.STATE_EXTENDED)
    return operation(
        at,
        runner_pb.ExtendLeasesRequest(leases=[lease]),
        runner_pb.ExtendLeasesResponse(results=[extended]),
        until,
    )


def test_progress_may_come_before_one_read_and_after_another(told: Operations) -> None:
    """Also where an earlier extension has left the revision open."""
    story = {
        **{name: told[name] for name in ("create", "claim")},
        "first": extend(3, 0.1),
        "second": extend(3.6, 0.2, 4),
        "read": read(3.7, RUNNING, 3),
        "again": read(3.8, RUNNING, 4),
    }
    assert ordered(story)
    story["once more"] = read(3.9, RUNNING, 5)
    assert not ordered(story)


def test_progress_that_is_told_again_is_no_change(told: Operations) -> None:
    story = {
        **{name: told[name] for name in ("create", "claim")},
        "first": extend(3, 0.1),
        "read": read(3.6, RUNNING, 3),
        "second": extend(4.2, 0.1),
    }
    assert ordered({**story, "again": read(5, RUNNING, 3)})
    assert not ordered({**story, "again": read(5, RUNNING, 4)})


def test_a_report_that_is_repeated_is_answered_with_what_stands(told: Operations) -> None:
    del told["delete"]
    request, answer = told["finish"].request, told["finish"].answer
    assert ordered({**told, "again": operation(5, request, answer)})
    later = runner_pb.FinishTasksResponse(results=[runner_pb.FinishResult()])
    later.results[0].id_status.CopyFrom(status(SUCCESS, 4))
    assert not ordered({**told, "again": operation(5, request, later)})


def test_a_claim_may_leave_out_a_task_only_if_it_was_deleted(told: Operations) -> None:
    told["claim"].answer.Clear()
    del told["read"], told["finish"]
    cancelled = status(RUNNING, 3)
    cancelled.status, cancelled.reason = CANCELLED, task_pb2.REASON_CLIENT_REQUEST
    answer = pb.CancelTaskResponse(id_status=cancelled)
    told["cancel"] = operation(4, pb.CancelTaskRequest(id="a"), answer)
    assert ordered(told)
    del told["delete"]
    assert not ordered(told)


def ordered(told: Operations) -> bool:
    history = History()
    history.operations = list(told.values())
    return not list(linearizable(history, Truth([])))


def test_a_history_is_read_back_as_it_was_written(told: Operations, tmp_path: Path) -> None:
    told["cancel"] = cancel_untold(3)
    history, again = History(), History()
    history.operations = list(told.values())
    history.write(tmp_path / "history.jsonl")
    lines = (tmp_path / "history.jsonl").read_text().splitlines(keepends=True)
    again.add([*lines, lines[0][:20]])
    assert lines_of(again) == lines_of(history)


def test_of_an_operation_that_is_written_as_it_begins_and_ends_the_end_counts() -> None:
    begun = cancel_untold(1)
    file = io.StringIO(begun.line(1))
    begun.returned, begun.error = 2, "TASK_FINISHED"
    again = History()
    again.add([*file, begun.line(1)])
    assert lines_of(again) == [begun.line(1)]


def lines_of(history: History) -> list[str]:
    return [one.line(number) for number, one in enumerate(history.operations, start=1)]

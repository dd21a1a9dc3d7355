"""Each rule over the log can fail: doctored logs, and who complains."""

from collections.abc import Callable
from typing import Any

import pytest
from faults.log_rules import LOG_RULES
from watch.history import History, Operation
from watch.truth import DELETED, TRANSITION, Truth

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

# The times of the log are its revisions, in seconds.
LEASE_ENDS = 4


def task(revision: int, status: task_pb2.Status.ValueType, **fields: Any) -> task_pb2.Task:
    made = task_pb2.Task(id="old", status=status, revision=revision, queue="q", root_id="old")
    made.update_time.seconds = revision
    made.timeout.seconds = 100
    made.labels["request"] = "once"
    made.retry_policy.max_retries = made.retries_left = 1
    made.MergeFrom(task_pb2.Task(**fields))
    return made


@pytest.fixture
def tasks() -> list[task_pb2.Task]:
    """A task is delayed, runs, expires at its time, and is retried; the retry is cancelled."""
    running = {"execution": task_pb2.EXECUTION_MAY_BE_RUNNING}
    tasks = [
        task(1, task_pb2.STATUS_DELAYED),
        task(2, task_pb2.STATUS_QUEUED),
        task(3, task_pb2.STATUS_RUNNING, **running),
        task(4, task_pb2.STATUS_ERROR, reason=task_pb2.REASON_TIMEOUT, retried_by="new", **running),
        task(5, task_pb2.STATUS_QUEUED, id="new", retry_of="old", retry_number=1),
        task(6, task_pb2.STATUS_CANCELLED, id="new", retry_of="old", retry_number=1),
    ]
    for one in tasks[:2]:
        one.run_time.seconds = 2
    for one in tasks[2:4]:
        one.start_time.seconds = 3
        one.lease_expire_time.seconds = LEASE_ENDS
    for one in tasks[4:]:
        one.retries_left = 0
    return tasks


def broken(tasks: list[task_pb2.Task], *told: Operation) -> set[str]:
    history = History()
    cancel = pb.CancelTaskRequest(id="new")
    history.operations = [Operation("someone", "CancelTask", cancel, 1), *told]
    log = []
    for one in tasks:
        said = task_pb2.IdStatus(id=one.id, revision=one.revision)
        log.append(pb.TaskChange(type=TRANSITION, id_status=said, task=one))
    return {breach.rule for rule in LOG_RULES for breach in rule(history, Truth(log))}


def test_a_faultless_log_breaks_no_rule(tasks: list[task_pb2.Task]) -> None:
    assert broken(tasks) == set()


def come_between(tasks: list[task_pb2.Task]) -> None:
    tasks[5].id = "another"
    tasks[4:] = [tasks[5], tasks[4]]
    tasks[4].revision, tasks[5].revision = 5, 6


def lose_the_retry(tasks: list[task_pb2.Task]) -> None:
    del tasks[4:]
    tasks[3].retried_by = ""


def retry_something_else(tasks: list[task_pb2.Task]) -> None:
    tasks[4].queue = "another"


def retry_for_ever(tasks: list[task_pb2.Task]) -> None:
    tasks[4].retries_left = 1


def cancel_another(tasks: list[task_pb2.Task]) -> None:
    tasks[2].status = task_pb2.STATUS_CANCELLED
    del tasks[3:]


def finish_unasked(tasks: list[task_pb2.Task]) -> None:
    tasks[3].status, tasks[3].execution = task_pb2.STATUS_SUCCESS, task_pb2.EXECUTION_ENDED
    del tasks[4:]


def set_time_back(tasks: list[task_pb2.Task]) -> None:
    tasks[5].update_time.seconds = 1


def be_due_early(tasks: list[task_pb2.Task]) -> None:
    tasks[1].run_time.seconds = 3


def expire_early(tasks: list[task_pb2.Task]) -> None:
    tasks[3].lease_expire_time.seconds = LEASE_ENDS + 1


@pytest.mark.parametrize(
    ("doctor", "rule"),
    [
        (come_between, "Atomic"),
        (lose_the_retry, "Retried"),
        (retry_something_else, "Retried"),
        (retry_for_ever, "Retried"),
        (cancel_another, "Asked"),
        (finish_unasked, "Asked"),
        (set_time_back, "Timely"),
        (be_due_early, "Timely"),
        (expire_early, "Timely"),
    ],
)
def test_a_doctored_log_breaks_its_rule(
    tasks: list[task_pb2.Task], doctor: Callable[[list[task_pb2.Task]], None], rule: str
) -> None:
    doctor(tasks)
    assert rule in broken(tasks)


def test_a_task_that_is_deleted_was_asked_for(tasks: list[task_pb2.Task]) -> None:
    history = History()
    gone = pb.TaskChange(type=DELETED, id_status=task_pb2.IdStatus(revision=1), task=tasks[0])
    assert {breach.rule for rule in LOG_RULES for breach in rule(history, Truth([gone]))} == {
        "Asked"
    }


def test_a_lease_that_was_extended_is_held(tasks: list[task_pb2.Task]) -> None:
    held = runner_pb.LeaseResult(id="old", state=runner_pb.LeaseResult.STATE_EXTENDED)
    answer = runner_pb.ExtendLeasesResponse(results=[held])
    told = Operation("someone", "ExtendLeases", runner_pb.ExtendLeasesRequest(), 1, 2, answer)
    answer.results[0].lease_expire_time.seconds = LEASE_ENDS
    assert broken(tasks, told) == set()
    answer.results[0].lease_expire_time.seconds = LEASE_ENDS + 1
    assert broken(tasks, told) == {"Leased"}

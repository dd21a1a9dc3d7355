"""When a call is not begun because it would come too late."""

import pytest
from google.longrunning import operations_pb2

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2
from idstatus_server.errors import OverloadedError
from idstatus_server.rpc.dispatch import may_wait
from idstatus_server.rpc.pace import Pace


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def slow(seconds: float) -> Pace:
    """Return the pace of a method whose calls have taken so long."""
    clock = Clock()
    pace = Pace(clock)
    for _ in range(1000):
        entered = pace.enter(None)
        clock.now += seconds
        pace.answered(entered)
        pace.leave()
    return pace


def test_in_a_crowd_one_with_less_time_than_calls_take_is_refused() -> None:
    pace = slow(1.0)
    for _ in range(8):
        pace.enter(1.1)
    with pytest.raises(OverloadedError, match=r"calls take 1 s now, and the deadline is in 0\.9 s"):
        pace.enter(0.9)
    pace.enter(1.1)
    pace.enter(None)


def test_where_there_is_no_crowd_nobody_is_refused() -> None:
    pace = slow(1.0)
    for _ in range(8):
        pace.enter(0.1)
    pace.leave()
    pace.enter(0.1)


def test_a_slow_time_is_forgotten_once_calls_are_quick_again() -> None:
    clock = Clock()
    pace = Pace(clock)
    entered = [pace.enter(None) for _ in range(100)]
    clock.now = 10.0
    for one in entered[:50]:
        pace.answered(one)
    with pytest.raises(OverloadedError):
        pace.enter(1.0)
    for _ in range(200):
        pace.answered(pace.enter(None))
    pace.enter(1.0)


def test_calls_that_may_wait_are_not_held_against_others_of_their_method() -> None:
    waiting = {
        method.name
        for module in (task_service_pb2, runner_service_pb2, queue_service_pb2, operations_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if may_wait(method)
    }
    assert waiting == {"WaitTask", "ClaimTasks", "WaitOperation"}

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus import Failure, Outcome, Reason, Success, Task, TaskContext, TaskError
from idstatus.runner.handler import Handler, Work
from idstatus.v1 import task_pb2


@pytest.fixture
def context() -> TaskContext:
    message = task_pb2.Task(
        id="a",
        status=task_pb2.STATUS_RUNNING,
        execution=task_pb2.EXECUTION_MAY_BE_RUNNING,
        update_time=Timestamp(),
        queue="q",
        payload=b"work",
    )
    return TaskContext(Task.from_message(message), on_progress=lambda: None)


async def outcome_of(handler: Handler, context: TaskContext) -> Outcome:
    work = Work({"q": handler}, threads=1)
    try:
        return await work.do(context)
    finally:
        work.close()


def raising(error: BaseException) -> Iterator[Handler]:
    """Yield a blocking and an async handler that raise an error."""

    def blocking(_context: TaskContext) -> None:
        raise error

    async def asynchronous(_context: TaskContext) -> None:
        raise error

    yield blocking
    yield asynchronous


async def test_a_result_may_be_bytes_or_text_or_nothing(context: TaskContext) -> None:
    for result, expected in ((b"r", b"r"), ("é", "é".encode()), (None, b"")):
        assert await outcome_of(lambda _, r=result: r, context) == Success(result=expected)


async def test_an_object_with_an_async_call_is_an_async_handler(context: TaskContext) -> None:
    class Shouter:
        async def __call__(self, context: TaskContext) -> bytes:
            return context.task.payload.upper()

    assert await outcome_of(Shouter(), context) == Success(result=b"WORK")


@dataclass
class Part:
    name: str
    sizes: tuple[float, ...]


async def test_any_other_result_is_sent_as_json(context: TaskContext) -> None:
    for result, expected in (
        ({"parts": [Part("é", (1, 0.5))]}, '{"parts":[{"name":"é","sizes":[1,0.5]}]}'),
        (Part("a", ()), '{"name":"a","sizes":[]}'),
        ([], "[]"),
        (42, "42"),
        (False, "false"),
    ):
        assert await outcome_of(lambda _, r=result: r, context) == Success(result=expected.encode())


async def test_a_result_that_json_has_not_is_a_failure(context: TaskContext) -> None:
    for result, expected in (
        ({1, 2}, "TypeError: there is no JSON for a set: {1, 2}"),
        ({"class": Part}, "TypeError: there is no JSON for a type: "),
        ([float("nan")], "ValueError: "),
    ):
        failure = await outcome_of(lambda _, r=result: r, context)
        assert isinstance(failure, Failure)
        assert failure.message.startswith(expected)


async def test_an_exception_is_a_bad_exit(context: TaskContext) -> None:
    for handler in raising(RuntimeError("no luck")):
        assert await outcome_of(handler, context) == Failure(message="RuntimeError: no luck")


async def test_a_task_error_is_what_it_says(context: TaskContext) -> None:
    error = TaskError("out of memory", reason=Reason.KILLED, exit_code=137, signal=9)
    expected = Failure(reason=Reason.KILLED, message="out of memory", exit_code=137, signal=9)
    for handler in raising(error):
        assert await outcome_of(handler, context) == expected


async def test_a_handler_that_exits_fails_and_does_not_end_the_process(
    context: TaskContext,
) -> None:
    for handler in raising(SystemExit(3)):
        assert await outcome_of(handler, context) == Failure(message="SystemExit: 3", exit_code=3)


async def test_a_message_is_made_fit_to_be_sent(context: TaskContext) -> None:
    for handler in raising(TaskError("\udcff\0" + "x" * 5_000)):
        failure = await outcome_of(handler, context)
        assert isinstance(failure, Failure)
        assert failure.message.startswith("?\N{REPLACEMENT CHARACTER}x")
        assert len(failure.message) == 4_096


def test_progress_is_a_part_of_the_whole(context: TaskContext) -> None:
    context.set_progress(1.0, "done")
    with pytest.raises(ValueError, match="within 0 to 1"):
        context.set_progress(1.5)
    assert context.progress is not None
    assert context.progress.message == "done"


def test_a_client_request_is_no_way_to_fail() -> None:
    with pytest.raises(ValueError, match="client_request"):
        TaskError(reason=Reason.CLIENT_REQUEST)

"""A watch's steps, without a network: the test does what they say."""

from typing import Any

import grpc
import pytest

import idstatus
from idstatus.core.steps import Effect, Item, ItemSteps, OpenStream, ReadStream, Sleep
from idstatus.models.change import ChangeBatch
from idstatus.v1.task_service_pb2 import WatchTasksRequest, WatchTasksResponse
from idstatus.watch.follow import follow

Step = Effect | Item[ChangeBatch]


class Call:
    """A stream that only remembers whether it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def watch(token: str = "", patience: float = 10.0) -> ItemSteps[ChangeBatch]:
    return follow(WatchTasksRequest(resume_token=token), patience, lambda batch: (batch,))


def opened(step: Step) -> str:
    """Return the token that a stream is to be opened with."""
    assert isinstance(step, OpenStream)
    token: str = step.request.resume_token
    return token


def token_of(step: Step) -> str:
    """Return the token of the batch that is handed out."""
    assert isinstance(step, Item)
    return step.value.resume_token


def message(token: str) -> WatchTasksResponse:
    return WatchTasksResponse(resume_token=token)


def failure(code: grpc.StatusCode, retry_after: float | None = None) -> idstatus.RpcError:
    return idstatus.RpcError("it failed", code=code, retry_after=retry_after)


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_broken_watch_resumes_from_the_last_token_after_a_pause(code: grpc.StatusCode) -> None:
    steps = watch()
    first = Call()
    assert opened(next(steps)) == ""
    steps.send(first)
    assert token_of(steps.send(message("t1"))) == "t1"
    assert next(steps) == ReadStream(first)
    pause = steps.throw(failure(code, retry_after=2.0))
    assert isinstance(pause, Sleep)
    assert 2.0 < pause.seconds < 2.2
    assert first.cancelled
    assert opened(next(steps)) == "t1"


def test_the_end_of_the_stream_is_the_end_of_the_watch() -> None:
    steps = watch("t1")
    assert opened(next(steps)) == "t1"
    steps.send(Call())
    with pytest.raises(StopIteration):
        steps.send(None)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
def test_what_will_not_pass_is_raised(code: grpc.StatusCode) -> None:
    steps = watch()
    next(steps)
    steps.send(Call())
    with pytest.raises(idstatus.RpcError):
        steps.throw(failure(code))


def test_a_watch_is_patient_only_once_it_was_in_place() -> None:
    unavailable = failure(grpc.StatusCode.UNAVAILABLE)

    def fail_twice(steps: ItemSteps[ChangeBatch]) -> Any:
        assert isinstance(steps.throw(unavailable), Sleep)
        next(steps)
        steps.send(Call())
        return steps.throw(unavailable)

    steps = watch(patience=0.0)
    next(steps)
    steps.send(Call())
    with pytest.raises(idstatus.RpcError):
        fail_twice(steps)

    steps = watch(patience=0.0)
    next(steps)
    steps.send(Call())
    steps.send(message("t1"))
    next(steps)
    assert isinstance(fail_twice(steps), Sleep)


def test_closing_a_watch_cancels_its_call() -> None:
    steps, call = watch(), Call()
    next(steps)
    steps.send(call)
    steps.close()
    assert call.cancelled

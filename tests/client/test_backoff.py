import grpc
import pytest

from idstatus.core.backoff import LONGEST_PAUSE, Backoff
from idstatus.errors import RpcError


def failure(code: grpc.StatusCode, retry_after: float | None = None) -> RpcError:
    return RpcError("it failed", code=code, retry_after=retry_after)


UNAVAILABLE = failure(grpc.StatusCode.UNAVAILABLE)


def test_pauses_grow_up_to_a_limit() -> None:
    backoff = Backoff()
    pauses = [backoff.pause_after(UNAVAILABLE) for _ in range(12)]
    assert 0.05 <= pauses[0] <= 0.1
    assert pauses[0] < pauses[2] < pauses[4]
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in pauses[8:])


def test_an_outage_of_days_is_borne() -> None:
    backoff = Backoff()
    assert max(backoff.pause_after(UNAVAILABLE) for _ in range(50_000)) <= LONGEST_PAUSE


def test_a_success_starts_them_anew() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.pause_after(UNAVAILABLE)
    backoff.succeeded()
    assert backoff.pause_after(UNAVAILABLE) <= 0.1


def test_the_servers_wish_is_a_floor() -> None:
    wished = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=3.0)
    assert 3.0 < Backoff().pause_after(wished) <= 3.1


def test_an_error_that_will_not_pass_is_raised() -> None:
    with pytest.raises(RpcError, match="it failed"):
        Backoff().pause_after(failure(grpc.StatusCode.INVALID_ARGUMENT))


def test_without_patience_the_second_failure_is_raised() -> None:
    backoff = Backoff(patience=0.0)
    backoff.pause_after(UNAVAILABLE)
    with pytest.raises(RpcError, match="it failed"):
        backoff.pause_after(UNAVAILABLE)

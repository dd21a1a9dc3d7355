import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

import idstatus
from idstatus.decoding import from_grpc, from_status


def status(code: int, message: str, *details: Message) -> status_pb2.Status:
    packed = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed.details.add().Pack(detail)
    return packed


def failed(code: grpc.StatusCode, details: str, *trailers: tuple[str, str | bytes]) -> Exception:
    metadata = grpc.aio.Metadata(*trailers)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details, None)


def test_the_reason_decides_the_class_and_brings_its_metadata() -> None:
    info = error_details_pb2.ErrorInfo(
        reason="TASK_ALREADY_RETRIED", domain="idstatus", metadata={"retried_by": "b"}
    )
    error = from_status(status(code_pb2.FAILED_PRECONDITION, "task a was retried by b", info))
    assert type(error) is idstatus.TaskAlreadyRetriedError
    assert error.metadata == {"retried_by": "b"}
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert str(error) == "task a was retried by b [TASK_ALREADY_RETRIED]"


def test_violations_and_the_time_to_wait_are_read() -> None:
    fault = error_details_pb2.BadRequest.FieldViolation(field="queue", description="too long")
    error = from_status(
        status(
            code_pb2.INVALID_ARGUMENT,
            "queue: too long",
            error_details_pb2.ErrorInfo(reason="INVALID_FIELD"),
            error_details_pb2.BadRequest(field_violations=[fault]),
            error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
        )
    )
    assert isinstance(error, idstatus.InvalidFieldError)
    assert error.violations == (idstatus.FieldViolation("queue", "too long"),)
    assert error.retry_after == 1.5


def test_details_are_read_from_the_trailing_metadata() -> None:
    info = error_details_pb2.ErrorInfo(reason="DRAINING")
    rich = rpc_status.to_status(status(code_pb2.UNAVAILABLE, "shutting down", info))
    error = failed(grpc.StatusCode.UNAVAILABLE, "shutting down", *rich.trailing_metadata)
    assert type(from_grpc(error)) is idstatus.DrainingError


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, idstatus.UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, idstatus.DeadlineExceededError),
        (grpc.StatusCode.PERMISSION_DENIED, idstatus.PermissionDeniedError),
        (grpc.StatusCode.INTERNAL, idstatus.RpcError),
        (grpc.StatusCode.UNIMPLEMENTED, idstatus.RpcError),
    ],
)
def test_an_error_without_details_is_known_by_its_code(
    code: grpc.StatusCode, expected: type[idstatus.RpcError]
) -> None:
    error = from_grpc(failed(code, "something"))
    assert type(error) is expected
    assert (error.code, error.message, error.reason) == (code, "something", "")


def test_details_that_are_torn_do_not_hide_the_error() -> None:
    error = failed(grpc.StatusCode.NOT_FOUND, "gone", ("grpc-status-details-bin", b"\xff"))
    assert type(from_grpc(error)) is idstatus.NotFoundError


def test_a_reason_newer_than_the_package_is_known_by_its_code() -> None:
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL")
    error = from_status(status(code_pb2.RESOURCE_EXHAUSTED, "the queue is full", info))
    assert type(error) is idstatus.ResourceExhaustedError
    assert error.reason == "QUEUE_FULL"


def test_a_deadline_is_a_timeout_for_python() -> None:
    assert issubclass(idstatus.DeadlineExceededError, TimeoutError)
    assert issubclass(idstatus.WaitTimeoutError, TimeoutError)

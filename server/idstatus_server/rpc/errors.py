"""What each of the domain's errors becomes on the wire: the one table.

The details follow the rich error model (google.rpc.Status in the trailing
metadata ``grpc-status-details-bin``) and AIP-193.
"""

from collections.abc import Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from idstatus_server import errors

DOMAIN = "idstatus"

CODES: dict[type[errors.DomainError], grpc.StatusCode] = {
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.NotPermittedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.PreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InvalidError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RevisionError: grpc.StatusCode.OUT_OF_RANGE,
    errors.ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
}


def code_of(error: errors.DomainError) -> grpc.StatusCode:
    """Return the status code of an error."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def to_status(error: errors.DomainError) -> status_pb2.Status:
    """Return an error with its code, message and details."""
    details: list[Message] = [
        ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if isinstance(error, errors.InvalidFieldError):
        details.append(
            BadRequest(
                field_violations=[
                    BadRequest.FieldViolation(field=v.field, description=v.description)
                    for v in error.violations
                ]
            )
        )
    if isinstance(error, errors.ExhaustedError | errors.UnavailableError):
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    return status(code_of(error), error.message, details)


def status(code: grpc.StatusCode, message: str, details: Sequence[Message]) -> status_pb2.Status:
    """Return a status with its details."""
    made = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        made.details.add().Pack(detail)
    return made

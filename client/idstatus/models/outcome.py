"""How a task's work ended, as its runner reports it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from idstatus.models.enums import Reason
from idstatus.models.wire import REASON
from idstatus.v1 import task_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """The work ended well. A result is at most 256 KiB."""

    result: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The work went wrong: `Reason.TIMEOUT`, `KILLED` or `BAD_EXIT`."""

    reason: Reason = Reason.BAD_EXIT
    message: str = ""
    """What went wrong, for people; at most 4,096 characters."""
    exit_code: int | None = None
    """The exit status of the process."""
    signal: int | None = None
    """The signal that ended the process."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The runner ended the work because the task was cancelled or had expired."""


Outcome: TypeAlias = Success | Failure | Stopped


def decode_outcome(owner: Any) -> Outcome:
    """Read the oneof `outcome` of a message."""
    match owner.WhichOneof("outcome"):
        case "success":
            return Success(result=owner.success.result)
        case "error":
            return _decode_failure(owner.error)
        case _:
            return Stopped()


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return the oneof `outcome` as a keyword argument for a message."""
    match outcome:
        case Success():
            return {"success": task_pb2.Success(result=outcome.result)}
        case Failure():
            failure = task_pb2.Failure(
                reason=REASON.encode(outcome.reason),
                message=outcome.message,
                exit_code=outcome.exit_code,
                signal=outcome.signal,
            )
            return {"error": failure}
        case Stopped():
            return {"stopped": task_pb2.Stopped()}


def _decode_failure(message: task_pb2.Failure) -> Failure:
    return Failure(
        reason=REASON.decode(message.reason),
        message=message.message,
        exit_code=message.exit_code if message.HasField("exit_code") else None,
        signal=message.signal if message.HasField("signal") else None,
    )

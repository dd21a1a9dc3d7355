"""Enums, instants and spans of time: from protobuf to Python and back."""

import enum
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration as DurationMessage
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus.models import enums
from idstatus.v1 import runner_service_pb2, task_pb2, task_service_pb2

Duration: TypeAlias = timedelta | float
"""A span of time: a `timedelta`, or a number of seconds."""

E = TypeVar("E", bound=enum.StrEnum)


class EnumCodec(Generic[E]):
    """Maps an enum's members to the numbers that the schema gives them."""

    def __init__(self, members: type[E], schema: Any) -> None:
        prefix = schema.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
        self._by_number: dict[int, E] = {
            schema.Value(f"{prefix}{member.name}"): member for member in members
        }
        self._by_member = {member: number for number, member in self._by_number.items()}

    def decode(self, number: int) -> E:
        """Return the member.

        Raises:
            KeyError: The number is 0 or newer than this package.
        """
        return self._by_number[number]

    def decode_optional(self, number: int) -> E | None:
        """Return the member; None for a number that is 0 or newer than this package."""
        return self._by_number.get(number)

    def decode_known(self, numbers: Iterable[int]) -> tuple[E, ...]:
        """Return the members of a list, without those that are newer than this package."""
        return tuple(self._by_number[number] for number in numbers if number in self._by_number)

    def encode(self, member: E | None) -> Any:
        """Return the number, 0 for None."""
        return 0 if member is None else self._by_member[member]


STATUS = EnumCodec(enums.Status, task_pb2.Status)
REASON = EnumCodec(enums.Reason, task_pb2.Reason)
EXECUTION = EnumCodec(enums.Execution, task_pb2.Execution)
TASK_VIEW = EnumCodec(enums.TaskView, task_pb2.TaskView)
LIST_ORDER = EnumCodec(enums.ListOrder, task_service_pb2.ListOrder)
OBSTACLE = EnumCodec(enums.Obstacle, task_service_pb2.Obstacle)
NEXT_STEP = EnumCodec(enums.NextStep, task_service_pb2.NextStep)
CHANGE_TYPE = EnumCodec(enums.ChangeType, task_service_pb2.TaskChange.Type)
LEASE_STATE = EnumCodec(enums.LeaseState, runner_service_pb2.LeaseResult.State)


def seconds(span: Duration) -> float:
    """Return a span's length in seconds."""
    return span.total_seconds() if isinstance(span, timedelta) else span


def encode_duration(span: Duration | None) -> DurationMessage | None:
    """Return the message; None leaves a field unset."""
    if span is None:
        return None
    message = DurationMessage()
    message.FromTimedelta(span if isinstance(span, timedelta) else timedelta(seconds=span))
    return message


def decode_duration(owner: Message, field: str) -> timedelta | None:
    """Return a message's field, None if it is unset."""
    return getattr(owner, field).ToTimedelta() if owner.HasField(field) else None


def encode_time(instant: datetime | None) -> Timestamp | None:
    """Return the message; None leaves a field unset.

    Raises:
        ValueError: The instant has no time zone, so nobody knows when it is.
    """
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone: give it one, for example datetime.UTC")
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def utc(instant: Timestamp) -> datetime:
    """Return an instant that is always set."""
    return instant.ToDatetime(tzinfo=UTC)


def decode_time(owner: Message, field: str) -> datetime | None:
    """Return a message's field in UTC, None if it is unset."""
    return utc(getattr(owner, field)) if owner.HasField(field) else None

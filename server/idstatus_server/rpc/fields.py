"""Checks the fields of a request and gathers every fault."""

import re
from collections.abc import Collection
from itertools import islice
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus_server.access import caller
from idstatus_server.errors import InvalidFieldError, Violation
from idstatus_server.limits import ID, OPERATION, QUEUE, SECOND, Limits

T = TypeVar("T")
# The range of google.protobuf.Timestamp, in seconds.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
_LONGEST = 315_576_000_000


class Fields:
    """Gathers what is wrong with a request; ``check`` raises it all at once.

    Spans and times are returned in microseconds.
    """

    def __init__(self, limits: Limits, prefix: str = "") -> None:
        self.limits = limits
        self._prefix = prefix
        self._violations: list[Violation] = []

    def at(self, prefix: str) -> "Fields":
        """Return a gatherer for a message inside this one."""
        inner = Fields(self.limits, f"{self._prefix}{prefix}.")
        inner._violations = self._violations
        return inner

    def fault(self, field: str, description: str) -> None:
        """Note a fault."""
        self._violations.append(Violation(self._prefix + field, description))

    def check(self) -> None:
        """Raise InvalidFieldError if there were faults."""
        if self._violations:
            raise InvalidFieldError(self._violations)

    def number(self, field: str, value: int, low: int, high: int) -> int:
        """Return a number within bounds."""
        if not low <= value <= high:
            self.fault(field, f"must be {low} to {high}, is {value}")
        return value

    def text(self, field: str, value: str, longest: int) -> str:
        """Return a text that is not too long, counted in characters."""
        if len(value) > longest:
            self.fault(field, f"must have at most {longest} characters, has {len(value)}")
        if "\0" in value:
            self.fault(field, "must not contain the character NUL")
        return value

    def size(self, field: str, value: bytes) -> bytes:
        """Return bytes that are not too many."""
        most = self.limits.payload_bytes
        if len(value) > most:
            self.fault(field, f"must have at most {most} bytes, has {len(value)}")
        return value

    def id(self, field: str, value: str, *, optional: bool = False) -> str:
        """Return an id."""
        return self._pattern(field, value, ID, optional=optional)

    def queue(self, field: str, value: str, *, default: str = "") -> str:
        """Return the name of a queue, or the default if there is none.

        Raises:
            NotPermittedError: the caller may not make this call there. It is raised at once:
                who may not is not told what else is wrong.
        """
        caller.get().enter(value or default)
        return self._pattern(field, value or default, QUEUE)

    def operation(self, field: str, value: str) -> str:
        """Return the id of the task that is the operation of this name."""
        return self._pattern(field, value, OPERATION).partition("/")[2]

    def _pattern(
        self, field: str, value: str, pattern: re.Pattern[str], *, optional: bool = False
    ) -> str:
        if not (optional and not value) and not pattern.fullmatch(value):
            self.fault(field, f"must match {pattern.pattern}")
        return value

    def span(self, field: str, message: Any, low: int, high: int, default: int = 0) -> int:
        """Return the span in ``message.field``, or the default if it is unset."""
        if not message.HasField(field):
            return default
        value: Duration = getattr(message, field)
        mixed = value.seconds * value.nanos < 0
        if abs(value.seconds) > _LONGEST or abs(value.nanos) >= 10**9 or mixed:
            self.fault(field, "is not a valid duration")
            return default
        span = value.seconds * SECOND + int(value.nanos / 1000)
        if not low <= span <= high:
            self.fault(
                field, f"must be {low / SECOND:g} s to {high / SECOND:g} s, is {span / SECOND:g} s"
            )
        return span

    def wait(self, field: str, message: Any, default: int) -> int:
        """Return how long a call may wait; what is too long is lowered."""
        return min(self.span(field, message, 0, _LONGEST * SECOND, default), self.limits.max_wait)

    def time(self, field: str, message: Any, latest: int | None = None) -> int | None:
        """Return the time in ``message.field``, or None if it is unset."""
        if not message.HasField(field):
            return None
        value: Timestamp = getattr(message, field)
        if not (_FIRST <= value.seconds <= _LAST and 0 <= value.nanos < 10**9):
            self.fault(field, "is not a valid time")
            return None
        time = value.seconds * SECOND + value.nanos // 1000
        if latest is not None and time > latest:
            self.fault(field, "lies too far ahead")
        return time

    def member(self, field: str, value: int, allowed: Any) -> None:
        """Check that an enum's value is one of those allowed."""
        if value not in allowed:
            names = ", ".join(f"{item.name}" for item in allowed)
            self.fault(field, f"must be one of {names}, is {value}")

    def page_size(self, value: int) -> int:
        """Return how many to put on a page (AIP-158)."""
        if value < 0:
            self.fault("page_size", f"must not be negative, is {value}")
        return min(value or self.limits.default_page, self.limits.batch)

    def at_most(self, field: str, items: Collection[T], most: int) -> list[T]:
        """Return the items; of too many only the first, so that no time is spent on the rest."""
        if len(items) > most:
            self.fault(field, f"must be at most {most}, are {len(items)}")
        return list(islice(items, most))

    def batch(self, field: str, count: int, *, least: int = 1) -> None:
        """Check how many items a batch has."""
        most = self.limits.batch
        if not least <= count <= most:
            self.fault(field, f"must have {least} to {most} items, has {count}")

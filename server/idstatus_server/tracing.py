"""The seam between those who work and those who trace it. By itself it traces nothing.

Terms are those of OpenTelemetry: a span is one thing under way, with a beginning and an end.
What keeps spans and sends them away is ``telemetry``.
"""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Self


class Span:
    """Something under way that nobody traces. Who does overrides all of this."""

    @property
    def traceparent(self) -> str:
        """Its context as W3C Trace Context writes it; empty if it is not traced."""
        return ""

    def __enter__(self) -> Self:
        """Let it be the ``current`` one until its end."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """End it; what was raised is how."""

    def child(self, _name: str) -> "Span":
        """Begin a part of it, by its name."""
        return self

    def link(self, *traceparents: str) -> None:
        """Link it to what came before; empty ones are passed over."""

    def note(self, **facts: str | int | Sequence[str]) -> None:
        """Take note of facts; empty ones are passed over."""

    def answered(self, status: str) -> None:
        """Take note of a call's status code, by its name."""

    def failed(self, error: BaseException) -> None:
        """Take note that it failed."""

    def end(self) -> None:
        """End it, unless it has ended already."""


class Tracer:
    """Begins the spans that are not parts of others. This one begins none."""

    def call(self, _method: str, _metadata: Iterable[tuple[str, object]]) -> Span:
        """Begin a call, given as ``package.Service/Method`` and what was sent with it."""
        return NO_SPAN

    def message(self, _name: str) -> Span:
        """Begin one message of the current stream, which may go on for an hour, by its name."""
        return NO_SPAN

    def commit(self, _commands: Sequence[Span]) -> Span:
        """Begin a commit, given the spans of the commands that it carries."""
        return NO_SPAN


NO_SPAN = Span()
NO_TRACER = Tracer()
current = ContextVar("span", default=NO_SPAN)

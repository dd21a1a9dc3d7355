"""The seam between those who work and those who trace it. By itself it traces nothing.

Terms are those of OpenTelemetry: a span is one thing under way, with a beginning and an end.
What keeps spans and sends them away is ``telemetry``.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

MOST_TASKS = 60
"""As many changed tasks a span tells: each has two links at most, and a span 128 by default."""


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

    def note(self, **facts: str | int) -> None:
        """Take note of facts; empty ones are passed over."""

    def changed(self, *task_ids: str) -> None:
        """Take note of tasks that it has changed, beside those of before."""

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

    def duty(self, _name: str) -> Span:
        """Begin what the server does by itself, by its name."""
        return NO_SPAN

    def commit(self, _commands: Sequence[Span]) -> Span:
        """Begin a commit, given the spans of the commands that it carries."""
        return NO_SPAN


NO_SPAN = Span()
NO_TRACER = Tracer()
current = ContextVar("span", default=NO_SPAN)


@contextmanager
def untraced() -> Iterator[None]:
    """Let what is done inside be in no trace."""
    before = current.set(NO_SPAN)
    try:
        yield
    finally:
        current.reset(before)

"""Our spans as OpenTelemetry's, with the names of its semantic conventions for RPC.

A call's parent is what its caller says in ``traceparent`` and ``tracestate`` (W3C Trace Context);
what is malformed counts as not said.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Self

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelsSpan
from opentelemetry.trace import Tracer as OtelsTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from idstatus_server.access import caller
from idstatus_server.call import at_hand
from idstatus_server.errors import DomainError, UnavailableError
from idstatus_server.harmless import harmless
from idstatus_server.tracing import MOST_TASKS, NO_SPAN, Span, Tracer, current

_RUN = "idstatus.v1.RunnerService/Run"
_HEADERS = ("traceparent", "tracestate")
# The codes that are a server's fault, by the conventions for gRPC; the others are its caller's.
_OF_SERVER = frozenset(
    ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
)
_w3c = TraceContextTextMapPropagator()


class OtelSpan(Span):
    """A span that OpenTelemetry keeps, if it is sampled."""

    def __init__(self, tracer: OtelsTracer, span: OtelsSpan) -> None:
        self.otels = span
        self._tracer = tracer
        self._changed: Sequence[str] = ()

    @cached_property
    def context(self) -> Context:
        """What its parts begin in."""
        return set_span_in_context(self.otels, Context())

    @cached_property
    def traceparent(self) -> str:
        """Its context as W3C Trace Context writes it."""
        written: dict[str, str] = {}
        _w3c.inject(written, self.context)
        return written.get("traceparent", "")

    def __enter__(self) -> Self:
        self._before = current.set(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        current.reset(self._before)
        if error:
            self.failed(error)
        self.end()

    @harmless(NO_SPAN)
    def child(self, name: str) -> Span:
        """Begin a part of it."""
        return OtelSpan(self._tracer, self._tracer.start_span(name, self.context))

    @harmless(None)
    def link(self, *traceparents: str) -> None:
        """Link it to what came before."""
        if self.otels.is_recording():
            for traceparent in dict.fromkeys(filter(None, traceparents)):
                before = get_current_span(_w3c.extract({"traceparent": traceparent}))
                self.otels.add_link(before.get_span_context())

    @harmless(None)
    def note(self, **facts: str | int) -> None:
        """Take note of facts, under our own name."""
        if self.otels.is_recording():
            said = {f"idstatus.{name}": value for name, value in facts.items() if value}
            self.otels.set_attributes(said)

    @harmless(None)
    def changed(self, *task_ids: str) -> None:
        """Take note of tasks that it has changed, beside those of before; not of too many."""
        if task_ids and self.otels.is_recording():
            self._changed = list(dict.fromkeys((*self._changed, *task_ids)))[:MOST_TASKS]
            self.otels.set_attribute("idstatus.task_ids", self._changed)

    @harmless(None)
    def answered(self, status: str) -> None:
        """Take note of a call's status code."""
        if self.otels.is_recording():
            self.otels.set_attribute("rpc.response.status_code", status)
            if status in _OF_SERVER:
                self._is_error(status)

    @harmless(None)
    def failed(self, error: BaseException) -> None:
        """Take note that it failed, unless it was refused or its caller has gone."""
        refused = isinstance(error, DomainError) and not isinstance(error, UnavailableError)
        if isinstance(error, Exception) and not refused and self.otels.is_recording():
            self._is_error(type(error).__qualname__)

    def _is_error(self, kind: str) -> None:
        self.otels.set_attribute("error.type", kind)
        self.otels.set_status(StatusCode.ERROR)

    @harmless(None)
    def end(self) -> None:
        """End it, unless it has ended already."""
        if self.otels.is_recording():
            self.otels.end()


class _CallSpan(OtelSpan):
    """The span of a call, which says what the log says: of which task, and by whom."""

    @harmless(None)
    def end(self) -> None:
        """End it, unless it has ended already."""
        about = at_hand.get()
        self.note(task_id=about.task_id, request_id=about.request_id)
        if (who := caller.get().name) and self.otels.is_recording():
            self.otels.set_attribute("enduser.id", who)
        super().end()


class OtelTracer(Tracer):
    """Begins spans that OpenTelemetry keeps."""

    def __init__(self, tracer: OtelsTracer) -> None:
        self._tracer = tracer

    @harmless(NO_SPAN)
    def call(self, method: str, metadata: Iterable[tuple[str, object]]) -> Span:
        """Begin a call; its parent is what its caller says."""
        return self._server_span(method, method, _remote(metadata))

    @harmless(NO_SPAN)
    def message(self, name: str) -> Span:
        """Begin a message of ``Run``: a trace of its own, linked to the opening of the stream.

        A stream may last for an hour, and no trace is fit for that.
        """
        return self._server_span(f"{_RUN} {name}", _RUN, Context(), current.get())

    def _server_span(self, name: str, method: str, parent: Context, *links: Span) -> Span:
        span = self._tracer.start_span(
            name,
            parent,
            SpanKind.SERVER,
            {"rpc.system.name": "grpc", "rpc.method": method},
            _links(links),
        )
        return _CallSpan(self._tracer, span)

    @harmless(NO_SPAN)
    def duty(self, name: str) -> Span:
        """Begin what the server does by itself: a trace of its own."""
        return OtelSpan(self._tracer, self._tracer.start_span(f"timer.{name}", Context()))

    @harmless(NO_SPAN)
    def commit(self, commands: Sequence[Span]) -> Span:
        """Begin a commit: a part of the first command that is sampled, linked with all others.

        A commit of commands that nobody traces is not traced either.
        """
        traced = [span for span in dict.fromkeys(commands) if isinstance(span, OtelSpan)]
        sampled = [one for one in traced if one.otels.get_span_context().trace_flags.sampled]
        sampled = sampled or traced
        if not sampled:
            return NO_SPAN
        parent, links = sampled[0].context, _links(sampled[1:])
        begun = self._tracer.start_span("ledger.commit", parent, links=links)
        span = OtelSpan(self._tracer, begun)
        span.note(commands=len(commands))
        for other in sampled[1:]:
            other.otels.add_link(begun.get_span_context())
        return span


def _remote(metadata: Iterable[tuple[str, object]]) -> Context:
    """Return the context in which a caller says to be."""
    said: Mapping[str, list[str]] = {name: [] for name in _HEADERS}
    for name, value in metadata:
        if name in said and isinstance(value, str):
            said[name].append(value)
    return _w3c.extract(said, Context())


def _links(spans: Iterable[Span]) -> list[Link]:
    return [Link(span.otels.get_span_context()) for span in spans if isinstance(span, OtelSpan)]

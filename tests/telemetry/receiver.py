"""What takes traces from a server: the OTLP service itself, and eyes for what it was sent."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_PATIENCE = 15.0
SERVICE = "idstatus.v1.TaskService"
RUNNERS = "idstatus.v1.RunnerService"


@dataclass(frozen=True)
class Seen:
    """A span as it was sent; contexts are written as in ``traceparent``, without the flags."""

    name: str
    context: str
    parent: str
    links: frozenset[str]
    facts: dict[str, Any]
    kind: str
    is_error: bool
    state: str
    instance: str

    @property
    def trace(self) -> str:
        """The id of its trace."""
        return self.context.split("-")[1]


class Receiver(TraceServiceServicer):
    """Takes spans, or lets those who send them hang until it is stopped."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.requests: list[pb.ExportTraceServiceRequest] = []
        self.asked = Event()
        self._free = Event()
        if not hangs:
            self._free.set()
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_TraceServiceServicer_to_server(self, self._server)
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
        self._server.stop(None).wait()

    def Export(self, request: Any, context: Any) -> pb.ExportTraceServiceResponse:  # noqa: N802
        self.asked.set()
        self._free.wait()
        self.requests.append(request)
        return pb.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Seen]:
        """All that was sent so far."""
        return [
            _seen(span, resource.resource)
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str, **facts: Any) -> list[Seen]:
        """The spans of a name that have these facts of ours."""
        wanted = {f"idstatus.{key}": value for key, value in facts.items()}
        return [s for s in self.spans if s.name == name and {**s.facts, **wanted} == s.facts]

    def one(self, name: str, **facts: Any) -> Seen:
        """The one span of a name that has these facts of ours, once it is here."""
        (span,) = wait_for(lambda: self.named(name, **facts))
        return span

    def parts(self, whole: Seen, name: str) -> list[Seen]:
        """The spans of a name that are children of another."""
        return [span for span in self.named(name) if span.parent == whole.context]


def context_of(traceparent: str) -> str:
    """Return a context without its flags."""
    return traceparent.rpartition("-")[0]


def wait_for(find: Callable[[], Sequence[Seen]]) -> Sequence[Seen]:
    """Return what is found, once anything is."""
    ends = time.monotonic() + _PATIENCE
    while not (found := find()):
        assert time.monotonic() < ends, "no such span came"
        time.sleep(0.02)
    return found


def _seen(span: Span, resource: Resource) -> Seen:
    of_process = {fact.key: _value(fact.value) for fact in resource.attributes}
    return Seen(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=_context(span.trace_id, span.parent_span_id) if span.parent_span_id else "",
        links=frozenset(_context(link.trace_id, link.span_id) for link in span.links),
        facts={fact.key: _value(fact.value) for fact in span.attributes},
        kind=Span.SpanKind.Name(span.kind),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        state=span.trace_state,
        instance=of_process["service.instance.id"],
    )


def _context(trace: bytes, span: bytes) -> str:
    return f"00-{trace.hex()}-{span.hex()}"


def _value(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [_value(item) for item in value.array_value.values]
    return getattr(value, str(value.WhichOneof("value")))

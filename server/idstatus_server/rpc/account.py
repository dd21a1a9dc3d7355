"""What is told of a call: to the log while it lasts, and to those who trace it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode

from idstatus_server.call import Call
from idstatus_server.limits import OPERATIONS
from idstatus_server.rpc.guard import Context
from idstatus_server.tracing import NO_TRACER, Tracer

# gRPC keeps a code as it was set, by name or by number; nobody sets that all is well.
_NAMES: Mapping[object, str] = {
    None: StatusCode.OK.name,
    **{code: code.name for code in StatusCode},
    **{code.value[0]: code.name for code in StatusCode},
}
# As long as an id may be: what a request calls one may be anything.
_LONGEST = 128
# How far off a deadline may be that has passed for the client, in seconds.
_NEARLY = 0.05
_TASK_FIELDS = ("id", "task_id", "name")
_OPERATION = f"{OPERATIONS}/"


def account(name: str, method: MethodDescriptor) -> Callable[[Any], Call]:
    """Return what tells of a method's calls, given their requests; of streams it tells the name."""
    fields = set() if method.client_streaming else set(method.input_type.fields_by_name)
    asked = "request_id" if "request_id" in fields else None
    task = next((field for field in _TASK_FIELDS if field in fields), None)
    nothing = Call(name)

    def call_of(request: Any) -> Call:
        if request is None or not (asked or task):
            return nothing
        request_id = getattr(request, asked) if asked else ""
        task_id = getattr(request, task) if task else ""
        if task == "name":  # of an operation, or of a queue
            task_id = task_id[len(_OPERATION) :] if task_id.startswith(_OPERATION) else ""
        return Call(name, request_id[:_LONGEST], task_id[:_LONGEST])

    return call_of


@contextmanager
def ending(context: Context, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell the name of the status code of a call that is made inside, once it has ended.

    One that is cancelled is late if its deadline is there: its client, who gives up a moment
    before the server would, does not say why it does.
    """
    status = ""
    try:
        yield
        status = _NAMES[context.code()]
    finally:
        if not status:
            left = context.time_remaining()
            late = left is not None and left <= _NEARLY
            status = (StatusCode.DEADLINE_EXCEEDED if late else StatusCode.CANCELLED).name
        tell(status)


def traced(
    call: Callable[[Any, Context], Awaitable[Any]], tracer: Tracer, method: str
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Return a method's handler, each of whose calls has a span; the same one if none has."""
    if tracer is NO_TRACER:
        return call

    async def in_span(request: Any, context: Context) -> Any:
        said = context.invocation_metadata() or ()
        with tracer.call(method, said) as span, ending(context, span.answered):
            return await call(request, context)

    return in_span

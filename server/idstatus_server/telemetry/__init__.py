"""Traces, by OpenTelemetry: spans, and how they leave the process.

The libraries are an extra, and loaded only where there is somebody to send spans to.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from idstatus_server.errors import StartError
from idstatus_server.tracing import NO_TRACER, Tracer


@asynccontextmanager
async def open_tracer(endpoint: str) -> AsyncIterator[Tracer]:
    """Trace as long as the block lasts, and send the spans to a URL; without one, do nothing.

    Raises:
        StartError: that is not possible.
    """
    if not endpoint:
        yield NO_TRACER
        return
    try:
        from idstatus_server.telemetry import export  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise StartError(f"{error}: pip install 'idstatus[otel]'") from error
    exporting = export.Export(endpoint)
    try:
        yield exporting.tracer
    finally:
        await exporting.close()


__all__ = ["open_tracer"]

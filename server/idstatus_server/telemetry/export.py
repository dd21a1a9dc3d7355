"""Sends spans away by OTLP, in a thread of the SDK's own: whoever takes them holds up nobody.

But for where to, everything is set by the SDK's own variables: the sampler, the resource, batches,
headers, certificates and time limits (opentelemetry.io, Environment Variable Specification).
"""

import asyncio
import logging
import time
import uuid
from importlib.metadata import version
from threading import Thread

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from idstatus_server.errors import StartError
from idstatus_server.telemetry.spans import OtelTracer

# How long the last spans may take to leave when the server ends, in seconds.
_LAST_SPANS = 2.0
# The semantic conventions that the names of our attributes come from.
_SCHEMA = "https://opentelemetry.io/schemas/1.45.0"


class Export:
    """The way of the spans out of the process; ``tracer`` begins them."""

    def __init__(self, endpoint: str) -> None:
        # It would warn of whatever a client sends as its trace context.
        logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
        try:
            exporter = OTLPSpanExporter(endpoint)
            self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        except Exception as error:  # the SDK tells a bad variable by all kinds of exceptions
            raise StartError(f"cannot trace to {endpoint}: {error}") from error
        ours = version("idstatus")
        self.tracer = OtelTracer(
            self._provider.get_tracer("idstatus_server", ours, schema_url=_SCHEMA)
        )

    async def close(self) -> None:
        """Send what is left, but not for long. Who does not take it by then does not get it."""
        last = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        ends = time.monotonic() + _LAST_SPANS
        while last.is_alive() and time.monotonic() < ends:
            await asyncio.sleep(0.01)


def _resource() -> Resource:
    """Return what is told of this process."""
    ours = {
        SERVICE_NAME: "idstatus",
        SERVICE_VERSION: version("idstatus"),
        # By it servers of one store differ, and workers of one server.
        SERVICE_INSTANCE_ID: str(uuid.uuid4()),
    }
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})

"""The pages: /metrics, /healthz and /readyz; and a pulse, for what nobody tells of."""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder

from idstatus_server.errors import UnavailableError
from idstatus_server.metrics.events import Events
from idstatus_server.metrics.http import Answer, HttpServer
from idstatus_server.metrics.state import State, StateCollector, Watchers
from idstatus_server.metrics.survey import Surveyor
from idstatus_server.observe import Use
from idstatus_server.store.base import Store
from idstatus_server.watch import Hub

_log = logging.getLogger(__name__)

# How often it is measured how late the event loop is, in seconds.
_PULSE = 1.0
_OPENMETRICS = "application/openmetrics-text"


class Serving(Protocol):
    """The server that is looked at."""

    @property
    def trouble(self) -> UnavailableError | None:
        """Why it does not serve just now."""
        ...

    @property
    def used(self) -> Mapping[str, Use]:
        """How much of its limits is used."""
        ...


class Monitor:
    """Shows one server; ``events`` is to be told what happens in it.

    ``store_kind`` is the database's name, ``log_retention`` in seconds.
    """

    def __init__(self, store_kind: str, log_retention: float) -> None:
        self._registry = CollectorRegistry()
        self.events = Events(self._registry)
        ProcessCollector(registry=self._registry)
        build = Gauge(
            "idstatus_build_info",
            "1; the version of this server, and the database that it stores in.",
            ("version", "store"),
            registry=self._registry,
        )
        build.labels(version("idstatus"), store_kind).set(1)
        Gauge(
            "idstatus_log_retention_seconds",
            "How long changes are kept for watches to resume from.",
            registry=self._registry,
        ).set(log_retention)
        self._http: HttpServer | None = None
        self._pulse: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, server: Serving, store: Store, hub: Hub) -> None:
        """Show a server at an address.

        Raises:
            StartError: the address is not to be had.
        """
        pages = _Pages(self._registry, server, Surveyor(store, hub, self.events), hub)
        self._http = HttpServer(
            {"/metrics": pages.metrics, "/healthz": pages.lives, "/readyz": pages.serves}
        )
        address = await self._http.start(host, port)
        _log.info("metrics are at http://%s/metrics", address)
        self._pulse = asyncio.create_task(self._beat(), name="pulse")

    def close(self) -> None:
        """Show no more."""
        if self._http:
            self._http.close()
        if self._pulse:
            self._pulse.cancel()

    async def _beat(self) -> None:
        """Measure how late the event loop is, as all are who wait for their turn."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _PULSE
            await asyncio.sleep(_PULSE)
            self.events.lagged(max(0.0, loop.time() - due))


class _Pages:
    def __init__(
        self, registry: CollectorRegistry, server: Serving, surveyor: Surveyor, hub: Hub
    ) -> None:
        self._registry = registry
        self._server = server
        self._surveyor = surveyor
        self._hub = hub
        self._states = StateCollector()
        registry.register(self._states)

    async def metrics(self, accept: str) -> Answer:
        survey = await self._surveyor.survey()
        self._states.state = State(
            ready=self._server.trouble is None,
            used=self._server.used,
            watchers=Watchers.of(self._hub),
            survey=survey,
        )
        # One of the two formats that are documented: what else the library knows comes and goes.
        wanted = f"{_OPENMETRICS}; version=1.0.0" if _OPENMETRICS in accept else ""
        encode, content_type = choose_encoder(wanted)
        # In a thread, for a thousand queues take their time.
        return Answer(await asyncio.to_thread(encode, self._registry), content_type=content_type)

    async def lives(self, _: str) -> Answer:
        return Answer(b"ok\n")

    async def serves(self, _: str) -> Answer:
        trouble = self._server.trouble
        if not trouble:
            return Answer(b"ok\n")
        said = " ".join(trouble.message.split())
        return Answer(f"{said}\n".encode(), HTTPStatus.SERVICE_UNAVAILABLE)

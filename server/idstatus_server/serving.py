"""The composition root: the only place that wires the rooms together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from idstatus_server.auth import Authenticator
from idstatus_server.config import Config
from idstatus_server.engine import Ledger
from idstatus_server.limits import SECOND
from idstatus_server.metrics import Monitor
from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.rpc.rooms import Patience, Rooms
from idstatus_server.rpc.server import RpcServer
from idstatus_server.rpc.sign_in import SignIn
from idstatus_server.rpc.tls import Certificates, Door
from idstatus_server.store.base import Store
from idstatus_server.store.sqlite import system_clock
from idstatus_server.stores import open_store, sqlite_path
from idstatus_server.telemetry import open_tracer
from idstatus_server.timers import Timers
from idstatus_server.tracing import Tracer
from idstatus_server.watch import Arrivals, Hub, Tail

_log = logging.getLogger("idstatus_server")

# How long the last commits may take once the grace is over, in seconds.
_LAST_COMMIT = 2.0


async def serve(
    settings: Config,
    listens: Callable[[Sequence[str]], asyncio.Future[None]],
    *,
    shared: bool = False,
) -> RpcServer:
    """Serve until told to stop, then drain; return the server, which refuses calls.

    ``listens`` is called with the addresses once the server listens, and returns what, when it
    is done, tells the server to stop. With ``shared`` its ports are those of other processes, too.

    Raises:
        StartError: the store or an address is not to be had, or not safe.
    """
    authenticator = Authenticator(settings.auth) if settings.auth else None
    way_in = door(settings)
    monitor = _monitor(settings)
    async with _opened(settings) as (store, tracer), AsyncExitStack() as stack:
        observer = monitor.events if monitor else UNOBSERVED
        rooms, tail = await _furnish(settings, store, tracer, observer, stack)
        if authenticator:
            following = asyncio.create_task(authenticator.follow(rooms.hub.review))
            stack.callback(following.cancel)
        server = RpcServer(rooms, SignIn(authenticator), settings.max_message_bytes, shared=shared)
        # First, for a gRPC server that has started does not end well on an error.
        if monitor and settings.metrics_listen:
            stack.callback(monitor.close)
            await monitor.start(*settings.metrics_listen, server, store, rooms.hub)
        bound = await server.start(settings.listen, way_in)
        timers = Timers(
            store,
            rooms.ledger,
            settings.retention,
            clock=system_clock,
            tell=server.tell,
            observer=observer,
            tracer=tracer,
        )
        stack.push_async_callback(timers.close)
        tail.tell(timers.publish)
        await _told_to_stop(listens(bound), rooms.ledger, tail)
        _log.info("draining")
        await server.drain(settings.grace / SECOND)
    return server


def door(settings: Config) -> Door:
    """Return how clients come in.

    Raises:
        StartError: the files for TLS cannot be used.
    """
    certificates = None
    if settings.tls_cert and settings.tls_key:
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    return Door(certificates, settings.insecure)


@asynccontextmanager
async def _opened(settings: Config) -> AsyncIterator[tuple[Store, Tracer]]:
    """Open the store and the way out for traces; in the end each may take its while."""
    async with AsyncExitStack() as storing, AsyncExitStack() as tracing:
        tracer = await tracing.enter_async_context(open_tracer(settings.otlp_endpoint))
        store = await storing.enter_async_context(
            open_store(settings.store, settings.store_connections)
        )
        try:
            yield store, tracer
        finally:
            await asyncio.gather(tracing.aclose(), storing.aclose())


async def _furnish(
    settings: Config, store: Store, tracer: Tracer, observer: Observer, stack: AsyncExitStack
) -> tuple[Rooms, Tail]:
    """Return what the services stand on, and what follows the log; both end with the stack."""
    hub = Hub(store, (await store.head()).newest)
    arrivals = Arrivals()
    tail = Tail(store, hub, arrivals, observer)
    stack.push_async_callback(tail.close)
    ledger = Ledger(store, tail.publish, settings.limits.pending_writes, observer, tracer)
    stack.push_async_callback(ledger.close, _LAST_COMMIT)
    patience = Patience(
        unbegun=settings.accept_timeout // SECOND,
        slow_watcher=settings.slow_watcher_timeout / SECOND,
        max_age=settings.max_stream_age / SECOND,
    )
    rooms = Rooms(
        store=store,
        ledger=ledger,
        hub=hub,
        arrivals=arrivals,
        clock=system_clock,
        limits=settings.limits,
        patience=patience,
        tracer=tracer,
        observer=observer,
    )
    return rooms, tail


def _monitor(settings: Config) -> Monitor | None:
    """Return what shows the server to Prometheus, if anything is to."""
    if settings.metrics_listen is None:
        return None
    kind = "postgresql" if sqlite_path(settings.store) is None else "sqlite"
    return Monitor(kind, settings.retention.log / SECOND)


async def _told_to_stop(told: asyncio.Future[None], ledger: Ledger, tail: Tail) -> None:
    """Return when the server is told to stop; raise the bug that stops it, if there is one."""
    failures = {asyncio.create_task(job.failed()) for job in (ledger, tail)}
    await asyncio.wait({told, *failures}, return_when=asyncio.FIRST_COMPLETED)
    for failure in failures:
        if failure.done():
            failure.result()
        failure.cancel()

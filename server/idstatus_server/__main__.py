"""The composition root: the only place that wires the rooms together."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from importlib.metadata import version
from typing import NoReturn

from idstatus_server import config, logs, tools, workers
from idstatus_server.auth import Authenticator
from idstatus_server.engine import Ledger
from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.limits import SECOND
from idstatus_server.metrics import Monitor
from idstatus_server.model import Change
from idstatus_server.observe import UNOBSERVED
from idstatus_server.rpc.rooms import Patience, Rooms
from idstatus_server.rpc.server import RpcServer
from idstatus_server.rpc.sign_in import SignIn
from idstatus_server.rpc.tls import Certificates, Door
from idstatus_server.store.sqlite import system_clock
from idstatus_server.stores import open_store, sqlite_path
from idstatus_server.telemetry import open_tracer
from idstatus_server.timers import Timers
from idstatus_server.watch import Arrivals, Hub, Tail
from idstatus_server.workers import Parent

_log = logging.getLogger("idstatus_server")

# New objects before the garbage collector looks through them.
_COLLECT_AFTER = 50_000
# From glibc's malloc.h.
_M_ARENA_MAX = -8
# How long the last commits may take once the grace is over, in seconds.
_LAST_COMMIT = 2.0


def main() -> None:
    """Do what the command line says: run the server until it is told to stop, or use a tool."""
    settings = config.read()
    logs.set_up(settings.log_level, settings.log_format)
    parent = None if settings.parent is None else Parent(settings.parent)
    if not parent and config.shows_password(settings.store, sys.argv):
        _log.warning(
            "the command line shows the store's password to whoever lists processes: give the "
            "URL in IDSTATUS_STORE, or the password in ~/.pgpass or PGPASSWORD"
        )
    try:
        if settings.command == "migrate":
            asyncio.run(tools.migrate(settings))
        elif settings.command == "check":
            sys.exit(asyncio.run(tools.check(settings)))
        elif settings.copy:
            sys.exit(tools.backup(settings, settings.copy))
        elif settings.workers > 1 and not parent:
            sys.exit(workers.run(settings, _door(settings), partial(announce, settings)))
        else:
            _share_one_heap()
            asyncio.run(_serve_and_leave(settings, parent))
    except (StartError, StoreUnavailableError) as error:  # the store may go as we start
        _give_up(str(error), settings, parent)


def _give_up(why: str, settings: config.Config, parent: Parent | None) -> NoReturn:
    """Say in one line why the server cannot be, and end the process."""
    if parent:
        parent.tell(why)
    elif settings.log_format == "json":
        _log.critical("%s", why)
    else:
        sys.exit(f"idstatus-server: {why}")
    sys.exit(1)


def announce(settings: config.Config, bound: Sequence[str]) -> None:
    """Say in one line that the server listens."""
    said = f"listens on {', '.join(bound)}, stores in {config.without_password(settings.store)}"
    if settings.workers > 1:
        said += f", works in {settings.workers} processes"
    print(f"idstatus-server {version('idstatus')} {said}", flush=True)  # noqa: T201


def _door(settings: config.Config) -> Door:
    """Return how clients come in.

    Raises:
        StartError: the files for TLS cannot be used.
    """
    certificates = None
    if settings.tls_cert and settings.tls_key:
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    return Door(certificates, settings.insecure)


async def _serve_and_leave(settings: config.Config, parent: Parent | None) -> None:
    """Serve until SIGTERM or SIGINT, and end the process while its connections are still open.

    A worker ends, too, when its parent is gone.

    gRPC, told to stop, ends with a bare CANCELLED what reaches it meanwhile. A closed
    connection is UNAVAILABLE to its client, as it should be.
    """

    def listens(bound: Sequence[str]) -> asyncio.Future[None]:
        _collect_rarely()
        told = _hear_signals()
        if parent:
            parent.watch(told)
        else:
            announce(settings, bound)
        return told

    # To drop the server would be to stop it.
    _kept = await serve(settings, listens, shared=parent is not None)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(os.EX_OK)


async def serve(
    settings: config.Config,
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
    sign_in = SignIn(Authenticator(settings.auth) if settings.auth else None)
    door = _door(settings)
    async with AsyncExitStack() as tracing, AsyncExitStack() as storing:
        tracer = await tracing.enter_async_context(open_tracer(settings.otlp_endpoint))
        store = await storing.enter_async_context(
            open_store(settings.store, settings.store_connections)
        )
        monitor = _monitor(settings)
        observer = monitor.events if monitor else UNOBSERVED
        hub = Hub(store, (await store.head()).newest)
        arrivals = Arrivals()
        timers: list[Timers] = []

        def wake_timers(changes: Sequence[Change]) -> None:
            for timer in timers:
                timer.publish(changes)

        tail = Tail(store, hub, arrivals, (wake_timers,), observer)
        ledger = Ledger(store, tail.publish, settings.limits.pending_writes, observer, tracer)
        rooms = Rooms(
            store=store,
            ledger=ledger,
            hub=hub,
            arrivals=arrivals,
            clock=system_clock,
            limits=settings.limits,
            patience=Patience(
                unbegun=settings.accept_timeout // SECOND,
                slow_watcher=settings.slow_watcher_timeout / SECOND,
                max_age=settings.max_stream_age / SECOND,
            ),
            tracer=tracer,
            observer=observer,
        )
        server = RpcServer(rooms, sign_in, settings.max_message_bytes, shared=shared)
        try:
            # First, for a gRPC server that has started does not end well on an error.
            if monitor and settings.metrics_listen:
                await monitor.start(*settings.metrics_listen, server, store, hub)
            bound = await server.start(settings.listen, door)
            timers.append(
                Timers(
                    store,
                    ledger,
                    settings.retention,
                    clock=system_clock,
                    tell=server.tell,
                    observer=observer,
                    tracer=tracer,
                )
            )
            told = listens(bound)
            await _told_to_stop(told, ledger, tail)
            _log.info("draining")
            await server.drain(settings.grace / SECOND)
        finally:
            if monitor:
                monitor.close()
            for timer in timers:
                await timer.close()
            await ledger.close(_LAST_COMMIT)
            await tail.close()
            # At the same time: each may take its while.
            await asyncio.gather(tracing.aclose(), storing.aclose())
    return server


def _monitor(settings: config.Config) -> Monitor | None:
    """Return what shows the server to Prometheus, if anything is to."""
    if settings.metrics_listen is None:
        return None
    kind = "postgresql" if sqlite_path(settings.store) is None else "sqlite"
    return Monitor(kind, settings.retention.log / SECOND)


def _share_one_heap() -> None:
    """Let all threads allocate from one heap (arena) of glibc's, not each from its own.

    gRPC frees in one thread what it has allocated in another, so after a flood of calls each of
    the heaps stays as large as it once was. Other C libraries have no such setting.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 1)


def _collect_rarely() -> None:
    """Let the garbage collector pass over what is there from the start, and come less often.

    What calls leave behind is freed without it, but for a few cycles of asyncio and gRPC; to
    look through all that lives in a thousand calls, for each 700 new objects, is no use.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _hear_signals() -> asyncio.Future[None]:
    """Return what the first SIGTERM or SIGINT completes; the second ends the process at once."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def stop(number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.remove_signal_handler(number)
        if not told.done():
            told.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return told


async def _told_to_stop(told: asyncio.Future[None], ledger: Ledger, tail: Tail) -> None:
    """Return when the server is told to stop; raise the bug that stops it, if there is one."""
    failures = {asyncio.create_task(job.failed()) for job in (ledger, tail)}
    await asyncio.wait({told, *failures}, return_when=asyncio.FIRST_COMPLETED)
    for failure in failures:
        if failure.done():
            failure.result()
        failure.cancel()


if __name__ == "__main__":
    main()

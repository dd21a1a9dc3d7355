"""The command: reads what it is told, and runs the server, its workers or a tool."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import NoReturn

from idstatus_server import config, logs, tools, workers
from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.serving import door, serve
from idstatus_server.workers import Parent

_log = logging.getLogger("idstatus_server")

# New objects before the garbage collector looks through them.
_COLLECT_AFTER = 50_000
# From glibc's malloc.h.
_M_ARENA_MAX = -8


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
            sys.exit(workers.run(settings, door(settings), partial(announce, settings)))
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


if __name__ == "__main__":
    main()

"""Where the time of the server's event loop goes, room by room, while it works.

    .venv/bin/python benchmarks/hotpaths.py            all paths; some are named as in bench.py
    sudo ...                                           if this user may not look into processes

It is sampled by py-spy (extra `bench`). Compiled code has no frames of its own: what gRPC does
counts where it is called from, which is the event loop, or the one place that writes to streams.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fanout
import lives
import unary
from contest import Act, Setting
from rich.console import Console
from rich.table import Table
from workplace import workplace

_SECONDS, _RATE = 12, 50  # more samples a second slow the server down
_ROOMS = ("rpc", "engine", "store", "watch")
_COLUMNS = ("gRPC", "event loop", *_ROOMS, "the rest of ours", "other libraries")
_PATHS = {
    "get": unary.get(1000),
    "create": unary.create,
    "fan-out-100": fanout.fan_out(100),
    "fan-out-1000": fanout.fan_out(1000),
}


def room(stack: list[str]) -> str:
    """Return what a sample counts for, given its frames, the innermost last."""
    leaf = stack[-1]
    if "(asyncio/events.py" in leaf or "(grpc/" in leaf or "outlet.py" in leaf:
        return "gRPC"
    for frame in reversed(stack):
        if "idstatus_server/" in frame:
            found = frame.partition("idstatus_server/")[2].partition("/")
            return found[0] if found[0] in _ROOMS else "the rest of ours"
        if "(asyncio/" in frame or "(selectors.py" in frame:
            return "event loop"
    return "other libraries"


def shares(raw: str) -> Counter[str]:
    """Return the samples of each room from py-spy's lines: frames, and how often they were seen."""
    counted: Counter[str] = Counter()
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        if "run_forever" in frames:  # the other threads wait, or are gRPC's own
            counted[room(frames.split(";"))] += int(count)
    return counted


@contextmanager
def acting(at: Setting, path: str) -> Iterator[Act]:
    """Start a server, and return what makes it work."""
    if path == "lifecycle":
        with lives.living(at, path, lives.BATCH) as act:
            yield act
    else:
        with _PATHS[path](at, path) as (act, _):
            yield act


def server() -> int:
    """Return the process id of the one server of ours that runs."""
    us = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    (pid,) = (p for p in us if b"idstatus_server" in Path(f"/proc/{p}/cmdline").read_bytes())
    return int(pid)


def sampled(at: Setting, path: str) -> Counter[str]:
    """Let the server work, and look where it is."""
    with acting(at, path) as act, tempfile.NamedTemporaryFile("r") as raw:
        act()
        command = ("py-spy", "record", "--format", "raw", "--output", raw.name)
        often = ("--rate", str(_RATE), "--duration", str(_SECONDS), "--pid", str(server()))
        beside = os.environ | {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
        spy = threading.Thread(
            target=lambda: subprocess.run(
                (*command, *often), env=beside, check=True, capture_output=True
            )
        )
        spy.start()
        while spy.is_alive():
            act()
        return shares(raw.read())


def main() -> None:
    """Show a table."""
    table = Table(title="Shares of the event loop's time")
    for column in ("path", *_COLUMNS):
        table.add_column(column)
    with workplace() as (at, _):
        for path in sys.argv[1:] or [*_PATHS, "lifecycle"]:
            counted = sampled(at, path)
            total = counted.total()
            table.add_row(path, *(f"{counted[column] / total:.0%}" for column in _COLUMNS))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

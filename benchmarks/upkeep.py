"""What it costs to check and to copy a SQLite store of many tasks.

.venv/bin/python benchmarks/upkeep.py [TASKS]
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from work import ledger_on, live

from idstatus_server.store.sqlite import SqliteStore, copy_database

TASKS = 100_000


async def fill(path: Path, tasks: int) -> None:
    """Make a store in which so many tasks have lived, with 1 KiB of payload each."""
    async with SqliteStore(str(path)) as store, ledger_on(store) as ledger:
        await live(ledger, tasks, 100, "q")


def timed(what: str, do: Callable[[], object]) -> None:
    """Print how long something takes."""
    began = time.perf_counter()
    do()
    print(f"{what:<34} {time.perf_counter() - began:6.1f} s")


def check(path: Path) -> None:
    """Run the tool as an operator does, and print the most memory that it held."""
    command = [sys.executable, "-m", "idstatus_server", "check", "--store", f"sqlite:///{path}"]
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    print(
        f"{'':<34} {usage.ru_utime + usage.ru_stime:6.1f} s of a core, {usage.ru_maxrss >> 10} MiB"
    )


def ask(path: Path, pragma: str) -> None:
    """Let SQLite itself check its file."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(f"PRAGMA {pragma}").fetchall() == [("ok",)]


def copy_by_pages(path: Path, target: Path) -> None:
    """Copy with SQLite's backup call, for comparison."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def main() -> None:
    """Make a store, and check and copy it."""
    tasks = int(sys.argv[1]) if sys.argv[1:] else TASKS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "idstatus.db"
        asyncio.run(fill(path, tasks))
        print(f"{tasks} tasks, {path.stat().st_size >> 20} MiB, in the system's cache")
        for pragma in ("quick_check", "integrity_check"):
            timed(f"PRAGMA {pragma}", partial(ask, path, pragma))
        timed("idstatus-server check", lambda: check(path))
        timed(
            "backup (VACUUM INTO), with fsync",
            lambda: copy_database(str(path), path.with_name("v")),
        )
        timed("sqlite3_backup, without", lambda: copy_by_pages(path, path.with_name("b")))


if __name__ == "__main__":
    main()

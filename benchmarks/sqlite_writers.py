"""Durable commits to one SQLite file from one process and from several.

    python benchmarks/sqlite_writers.py [FOLDER] [SECONDS]

Each writer begins with the write lock (BEGIN IMMEDIATE, with SQLite's busy timeout), reads
the head, inserts a batch of rows of the size of a small task and commits with
``synchronous = FULL``, as the server's store does. The folder must lie on the disk that is
meant: in memory, nothing waits.
"""

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

ROW = "x" * 400
BUSY_TIMEOUT = 30.0
BATCHES = (1, 10, 100)
WRITERS = (1, 2, 4)
Figures = tuple[float, list[float]]


def connect(path: Path) -> sqlite3.Connection:
    """Open the file as the server does."""
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def commit(db: sqlite3.Connection, batch: int) -> None:
    """Make one commit."""
    db.execute("BEGIN IMMEDIATE")
    (head,) = db.execute("SELECT revision FROM head").fetchone()
    rows = ((head + number, ROW) for number in range(1, batch + 1))
    db.executemany("INSERT INTO tasks VALUES (?, ?)", rows)
    db.execute("UPDATE head SET revision = ?", (head + batch,))
    db.execute("COMMIT")


def write(path: Path, batch: int, seconds: float, begin: Barrier) -> list[float]:
    """Commit for so long; return how long each commit took."""
    took: list[float] = []
    with closing(connect(path)) as db:
        begin.wait()
        ends = time.monotonic() + seconds
        while (began := time.monotonic()) < ends:
            commit(db, batch)
            took.append(time.monotonic() - began)
    return took


def measure(folder: Path, writers: int, batch: int, seconds: float) -> None:
    """Print a line of the table."""
    path = folder / f"{writers}-{batch}.db"
    with closing(connect(path)) as db:
        db.execute("CREATE TABLE head AS SELECT 0 AS revision")
        db.execute("CREATE TABLE tasks (revision INTEGER PRIMARY KEY, doc TEXT)")
    spawn = get_context("spawn")
    with spawn.Manager() as manager, spawn.Pool(writers) as pool:
        begin = manager.Barrier(writers)
        found = pool.starmap(write, [(path, batch, seconds, begin)] * writers)
    took = sorted(seconds for commits in found for seconds in commits)
    p50, p99, worst = (1000 * took[int(part * (len(took) - 1))] for part in (0.5, 0.99, 1))
    shares = " ".join(f"{len(commits) / len(took):.0%}" for commits in found)
    print(
        f"{writers:7} {batch:6} {len(took) / seconds:10.0f} {batch * len(took) / seconds:8.0f} "
        f"{p50:8.2f} {p99:8.1f} {worst:8.0f}   {shares}"
    )


def notice(folder: Path) -> None:
    """Print what it costs to ask whether another process has committed."""
    with closing(connect(folder / "1-1.db")) as db:
        began = time.perf_counter()
        for _ in range(100_000):
            db.execute("PRAGMA data_version").fetchone()
        each = (time.perf_counter() - began) / 100_000
    print(f"PRAGMA data_version: {1e6 * each:.1f} µs")


def main() -> None:
    """Print the table."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    print("writers  batch  commits/s   rows/s   p50 ms   p99 ms   max ms   share of each")
    with tempfile.TemporaryDirectory(dir=where) as folder:
        for batch in BATCHES:
            for writers in WRITERS:
                measure(Path(folder), writers, batch, seconds)
        notice(Path(folder))


if __name__ == "__main__":
    main()

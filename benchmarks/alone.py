"""How long one caller waits for a creation, against an empty call and a commit by itself."""

import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import floor
import servers
from contest import Act, Meter, Sample, Setting
from unary import CREATE, empty_call, new_task
from wire import Wire

_NUMBERED = ("seq", "revision", "queued_revision", "unit")


class Commits:
    """The rows of a new task, put on the disk by SQLite alone, as durably as a store does."""

    def __init__(self, store: Path) -> None:
        """Begin with a copy of a store, and repeat the rows of its newest task."""
        path = Path(tempfile.mkdtemp(prefix="commits-")) / "commits.db"
        self._db = sqlite3.connect(path, isolation_level=None)
        sqlite3.connect(store).backup(self._db)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.row_factory = sqlite3.Row
        self._rows = {
            table: dict(
                self._db.execute(f"SELECT * FROM {table} ORDER BY seq DESC LIMIT 1").fetchone()
            )
            for table in ("payloads", "tasks", "log")
        }
        (self._seq,) = self._db.execute("SELECT revision FROM head").fetchone()

    def one(self) -> None:
        """Commit one more."""
        self._seq += 1
        self._db.execute("BEGIN IMMEDIATE")
        for table, row in self._rows.items():
            row.update({name: self._seq for name in _NUMBERED if name in row})
            if "id" in row:
                row["id"] = str(uuid.uuid4())
            values = ", ".join(f":{name}" for name in row)
            self._db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", row)
        self._db.execute("UPDATE counts SET tasks = tasks + 1 WHERE status = 2")
        self._db.execute("UPDATE head SET revision = ?", (self._seq,))
        self._db.execute("COMMIT")


def took(*steps: Callable[[], object], seconds: float) -> float:
    """Do steps in turn for so long; return the sum of their medians, in milliseconds."""
    times: list[list[float]] = [[] for _ in steps]
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for step, spent in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            spent.append(time.perf_counter() - start)
    return 1000 * sum(map(statistics.median, times))


@contextmanager
def create_one(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Let one caller create tasks."""
    store, request = at.store(), new_task().SerializeToString()
    with (
        servers.idstatus(store, at.server_cores) as ours,
        servers.floor(at.server_cores) as bare,
        Wire(ours.address) as to_ours,
        Wire(bare.address) as to_bare,
    ):
        same = empty_call(request, to_ours.ask(CREATE, request))
        commits = Commits(Path(store.removeprefix("sqlite:///")))

        def create() -> object:
            return to_ours.ask(CREATE, request)

        def call() -> object:
            return to_bare.ask(floor.ANSWER, same)

        def act(server: servers.Server, *steps: Callable[[], object]) -> Act:
            def acted() -> Sample:
                with Meter(server) as meter:
                    value = took(*steps, seconds=at.seconds)
                return meter.sample({name: value})

            return acted

        yield act(ours, create), act(bare, call, commits.one)

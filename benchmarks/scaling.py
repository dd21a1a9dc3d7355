"""What one server carries, and what one PostgreSQL carries when servers are not the limit.

    make scaling                  prints a table, writes benchmarks/measured.json

Everything is measured several times, from a start of its own; the table shows the median and
the spread. On two cores the load, the server and the database share them: see the CPU columns.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from database import Database
from servers import cores, cpu_of, idstatus, memory_of

HERE = Path(__file__).parent
REPEATS = 3
SECONDS = 2.0
PROCESSES = (1, 2, 4, 8)
BATCHES = (1, 10, 100, 500)
CALLERS = (1, 16, 64, 256)
DELAYS = (0.0, 0.001, 0.005)
# What is called, and by how many at once.
CALLS = {"create": 64, "batch": 4, "finish": 4, "get": 64, "watch": 1}
_HEAD = """
BEGIN;
SELECT revision FROM idstatus.head FOR UPDATE;
UPDATE idstatus.head SET time = time + 1;
COMMIT;
"""
Result = dict[str, float]


def cpu_of_database(database: Database) -> float:
    """Return how many seconds of CPU PostgreSQL's processes that still live have used."""
    used = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if database.process.pid in (int(fields[1]), int(stat.parent.name)):
                used += cpu_of(int(stat.parent.name))
        except OSError:
            continue
    return used


class Program:
    """One of our own programs: it says that it is ready, works when it is told to, and tells."""

    def __init__(self, name: str, *arguments: object, on: set[int] | None = None) -> None:
        command = [sys.executable, str(HERE / name), *map(str, arguments)]
        if on:
            command = ["taskset", "-c", ",".join(map(str, on)), *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def hear(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"{self.process.args!r} has failed"
        return line

    def tell(self) -> None:
        """Let it go on."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def together(programs: Sequence[Program]) -> list[dict[str, Any]]:
    """Let programs work at the same time; return what they tell."""
    for program in programs:
        assert program.hear() == "ready\n"
    for program in programs:
        program.tell()
    return [json.loads(program.hear()) for program in programs]


def summary(told: Sequence[dict[str, Any]], of: str = "tasks") -> Result:
    """Return rates and latencies of all together."""
    latencies = sorted(took for one in told for took in one["latencies"])
    return {
        "rate": sum(one[of] / one["seconds"] for one in told),
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[len(latencies) * 99 // 100],
        "load_cpu": sum(one["cpu"] / one["seconds"] for one in told),
    }


# -- the floors


def syncs(folder: Path) -> Iterator[tuple[str, Result]]:
    """How often the disk takes 8 KiB for good."""
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_RDWR)
    block, count, start = b"x" * 8192, 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        os.pwrite(descriptor, block, 8192 * (count % 1000))
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    yield "fdatasync", {"rate": count / (time.perf_counter() - start)}


def bare_commits(database: Database) -> Iterator[tuple[str, Result]]:
    """What the head row carries if a commit does nothing else; no Python is in it."""
    name, url = database.new()
    with Program("writer.py", url, 1, 1, 0) as once:  # makes the schema
        together([once])
    (database.folder / "head.sql").write_text(_HEAD)
    for clients in PROCESSES:
        said = database.run(
            *("pgbench", "-n", "-M", "prepared", "-T", "2", "-c", str(clients), "-f", "head.sql"),
            *("-h", str(database.folder), "-U", "postgres", name),
        )
        rate = re.search(r"tps = ([\d.]+)", said)
        assert rate, said
        yield f"bare commits, {clients} connections", {"rate": float(rate[1])}


# -- one PostgreSQL


def stores(database: Database) -> Iterator[tuple[str, Result]]:
    """What several processes commit that do nothing else."""
    for batch in BATCHES:
        for processes in PROCESSES:
            yield (
                f"store, {batch} tasks a commit, {processes} processes",
                commits(database, batch, processes),
            )


def groups(database: Database) -> Iterator[tuple[str, Result]]:
    """What one process commits for many callers who each create one task."""
    for callers in CALLERS:
        yield f"group commit, {callers} callers", commits(database, 1, 1, callers=callers)


def commits(
    database: Database, batch: int, processes: int, *, callers: int = 1, url: str = ""
) -> Result:
    """Let processes commit."""
    with ExitStack() as stack:
        url = url or database.new()[1]
        writers = [
            stack.enter_context(Program("writer.py", url, batch, callers, SECONDS))
            for _ in range(processes)
        ]
        used = cpu_of_database(database)
        told = together(writers)
        used = cpu_of_database(database) - used
    return summary(told) | {
        "commits": sum(one["commits"] / one["seconds"] for one in told),
        "commit_ms": 1000 * sum(one["took"] for one in told) / sum(one["commits"] for one in told),
        "waiting_for_head": sum(one["waited"] for one in told) / sum(one["took"] for one in told),
        "database_cpu": used / SECONDS,
    }


def distances(database: Database) -> Iterator[tuple[str, Result]]:
    """What the way to the database costs."""
    for delay in DELAYS:
        for batch, processes in ((1, 1), (100, 1), (1, 4)):
            name = database.new()[0]
            folder = database.folder / f"wire-{name}"
            folder.mkdir()
            paths = [at / ".s.PGSQL.5432" for at in (folder, database.folder)]
            with Program("delay.py", *paths, delay / 2) as wire:
                assert wire.hear() == "ready\n"
                url = f"postgresql://postgres@/{name}?host={folder}"
                result = commits(database, batch, processes, url=url)
                wire.tell()
                requests = int(wire.hear())
            what = f"{delay * 1000:g} ms away, {batch} tasks a commit, {processes} processes"
            yield what, result | {"messages_in_all": requests}


# -- one server


def calls(database: Database) -> Iterator[tuple[str, Result]]:
    """What one server answers."""
    ours, others = cores()
    os.sched_setaffinity(database.process.pid, others)
    for what, callers in CALLS.items():
        with idstatus(database.new()[1], ours) as server:
            caller = Program("caller.py", server.address, what, callers, SECONDS, on=others)
            with caller:
                assert caller.hear() == "ready\n"
                used = server.cpu, cpu_of_database(database)
                caller.tell()
                told = [json.loads(caller.hear())]
                after = server.cpu, cpu_of_database(database)
                memory = memory_of(server.pid, "VmHWM")
        seconds = told[0]["seconds"]
        yield (
            f"server, {what}, {callers} callers",
            summary(told)
            | {
                "server_cpu": (after[0] - used[0]) / seconds,
                "database_cpu": (after[1] - used[1]) / seconds,
                "server_mib": memory / (1 << 20),
            },
        )


# -- all of it


def measure() -> Iterator[tuple[str, Result]]:
    """Measure everything once."""
    with Database() as database:
        yield from syncs(database.folder)
        yield from bare_commits(database)
        yield from stores(database)
        yield from groups(database)
        yield from distances(database)
        yield from calls(database)


def main() -> None:
    """Measure everything several times; print it and write it down."""
    runs: dict[str, list[Result]] = defaultdict(list)
    loads = []
    for number in range(REPEATS):
        loads.append(os.getloadavg()[0])
        print(f"run {number + 1} of {REPEATS}, load {loads[-1]:.2f}", file=sys.stderr, flush=True)
        for name, result in measure():
            runs[name].append(result)
            print(f"  {name}: {result['rate']:.0f}/s", file=sys.stderr, flush=True)
    figures = {}
    for name, results in runs.items():
        rates = [result["rate"] for result in results]
        middle = {key: statistics.median(r[key] for r in results) for key in results[0]}
        figures[name] = middle | {"low": min(rates), "high": max(rates)}
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "postgresql": "18",
        "repeats": REPEATS,
        "load_before": loads,
    }
    target = HERE / "measured.json"
    target.write_text(json.dumps({"about": about, "figures": figures}, indent=1) + "\n")
    print("| what | per second | lowest to highest | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for name, f in figures.items():
        more = " | ".join(f"{f[k]:.1f}" if k in f else "" for k in ("p50_ms", "p99_ms"))
        print(f"| {name} | {f['rate']:.0f} | {f['low']:.0f} to {f['high']:.0f} | {more} |")


if __name__ == "__main__":
    main()

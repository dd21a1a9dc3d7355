"""Storms one after the other: make soak MINUTES=60, or make kills KILLS=200.

A soak goes on for as long as you like. By turns a new server on each store bears every fault,
and an old one on each store, which lives from the beginning to the end, bears those that leave
it alive: what it holds in memory is to stay flat. Kills strike a server on each store with
nothing but kill -9, so many times.

What is printed are figures; a breach of a promise is named, the history that shows it is written
down, and the exit status is 1.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from faults.conductor import BACK, FORWARD, KILLED, TROUBLES, Conductor
from faults.scene import Scene
from postgres_server import PostgresServer

# How long a storm rages, in seconds, and its most kills: all that is told is kept in memory until
# it is judged.
STORM, KILLS = 20.0, 20
# What an old server is spared: it must live, and its log is short, so time must not leap.
SPARED = (KILLED, FORWARD, BACK)
SHORT = ("--log-retention", "3m", "--request-retention", "3m")
ALL_BUT_KILLS = {trouble.name for trouble in TROUBLES} - {KILLED}


class Vitals(NamedTuple):
    """What the server's process holds: MiB of memory, file handles, threads."""

    memory: int
    handles: int
    threads: int

    @classmethod
    def of(cls, scene: Scene) -> "Vitals":
        """Measure it."""
        process = psutil.Process(scene.server.pid)
        return cls(process.memory_info().rss >> 20, process.num_fds(), process.num_threads())

    def __str__(self) -> str:
        return f"{self.memory} MiB, {self.handles} handles, {self.threads} threads"


class Tally:
    """Lets storms rage, and counts what happened in them."""

    def __init__(self, seed: int) -> None:
        self.totals: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.seed = seed

    async def storm(
        self, name: str, scene: Scene, conductor: Conductor, strike: Awaitable[None]
    ) -> None:
        """Let one storm rage, judge it, and print its figures."""
        await scene.begin(self.seed)
        await strike
        broken = await scene.verdict()
        storm = scene.storm
        for breach in broken[:5]:
            print(f"  BROKEN {breach.rule}: {breach.text}")
        if broken:
            print(f"  the history is in {storm.written()}")
        told = storm.history.operations
        figures = {
            "operations": len(told),
            "of unknown outcome": sum(not one.is_known for one in told),
            "watches": len(storm.watches),
            "streams": sum(len(watch.segments) for watch in storm.watches),
            "faults": conductor.struck.total(),
            "breaches": len(broken),
        }
        self.totals.update(figures)
        self.faults.update({f"{name} on {scene.store}": n for name, n in conductor.struck.items()})
        print(
            f"{name} server on {scene.store}, seed {self.seed}: {listed(figures)}; "
            f"it holds {Vitals.of(scene)}",
            flush=True,
        )

    def told(self) -> bool:
        """Print what happened in all; tell whether every promise was kept."""
        print(f"in all: {listed(self.totals)}")
        print(f"faults: {listed(self.faults)}")
        return not self.totals["breaches"]


def listed(figures: dict[str, int]) -> str:
    """Return numbers and their names in one line."""
    return ", ".join(f"{number} {name}" for name, number in figures.items())


@asynccontextmanager
async def scene_on(postgres: PostgresServer | None, *flags: str) -> AsyncIterator[Scene]:
    """A server on a new store: SQLite if there is no PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        async with Scene(Path(folder), postgres, *flags) as scene:
            yield scene


async def soak(minutes: float, tally: Tally, postgres: PostgresServer) -> None:
    """Let storms rage by turns, on new servers and old ones."""
    ends = time.monotonic() + 60 * minutes
    stores = (None, postgres)
    vitals: dict[str, list[Vitals]] = {"sqlite": [], "postgres": []}
    async with AsyncExitStack() as stack:
        old = [await stack.enter_async_context(scene_on(store, *SHORT)) for store in stores]
        while time.monotonic() < ends:
            for store in stores:
                async with scene_on(store) as new:
                    conductor = Conductor(new, tally.seed)
                    await tally.storm("new", new, conductor, conductor.strike_for(STORM))
            for scene in old:
                conductor = Conductor(scene, tally.seed, SPARED)
                await tally.storm("old", scene, conductor, conductor.strike_for(STORM))
                vitals[scene.store].append(Vitals.of(scene))
            tally.seed += 1
    for name, seen in vitals.items():
        middle = seen[len(seen) // 2]
        print(f"the old server on {name}: at first {seen[0]}; {middle}; in the end {seen[-1]}")


async def kills(count: int, tally: Tally, postgres: PostgresServer) -> None:
    """Kill a server under load so many times on each store."""
    for store in (None, postgres):
        left = count
        while left:
            some = min(left, KILLS)
            async with scene_on(store) as scene:
                conductor = Conductor(scene, tally.seed, ALL_BUT_KILLS)
                await tally.storm("killed", scene, conductor, conductor.strike_times(some))
            left -= some
            tally.seed += 1


async def judged(seed: int, rage: Callable[[Tally, PostgresServer], Awaitable[None]]) -> bool:
    """Let storms rage, and tell whether every promise was kept."""
    tally = Tally(seed)
    postgres = await asyncio.to_thread(PostgresServer().start)
    try:
        await rage(tally, postgres)
    finally:
        await asyncio.to_thread(postgres.stop)
    return tally.told()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    given = parser.parse_args()

    def rage(tally: Tally, postgres: PostgresServer) -> Awaitable[None]:
        """Do what was asked for."""
        if given.kills:
            return kills(given.kills, tally, postgres)
        return soak(given.minutes, tally, postgres)

    sys.exit(not asyncio.run(judged(given.seed, rage)))

"""Simulates several stores, each with a head of its own, that share the queues.

    .venv/bin/python benchmarks/sharding.py

A commit takes as long as scaling.py has measured on one store. What is simulated is the
rest: who waits behind whom when tasks come from queues of very different size. Each store is
thought to have a PostgreSQL, a disk and a server of its own.
"""

import heapq
import json
import math
import random
import zlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

MEASURED = Path(__file__).parent / "measured.json"
QUEUES = 1000
MOST_IN_A_COMMIT = 1000
COMMITS = 4000


class Outcome(NamedTuple):
    """Tasks per second, and how long their callers waited, in milliseconds."""

    rate: float
    p50: float
    p99: float


class CommitTime:
    """How long a commit of n tasks takes, in seconds, as measured; between the figures, a line."""

    def __init__(self, figures: dict[str, dict[str, float]], chance: random.Random) -> None:
        sizes = (1, 10, 100, 500)
        self._points = [
            (n, figures[f"store, {n} tasks a commit, 1 processes"]["commit_ms"] / 1000)
            for n in sizes
        ]
        one = figures["store, 1 tasks a commit, 1 processes"]
        self._spread = math.log(one["p99_ms"] / one["p50_ms"]) / 2.326  # lognormal
        self._chance = chance

    def mean(self, tasks: int) -> float:
        """Return the mean for so many tasks."""
        place = bisect_left([n for n, _ in self._points], tasks)
        place = min(max(place, 1), len(self._points) - 1)
        (low, short), (high, long) = self._points[place - 1 : place + 1]
        return short + (long - short) * (tasks - low) / (high - low)

    def draw(self, tasks: int) -> float:
        """Return one that chance has made faster or slower."""
        noise = self._chance.gauss(-(self._spread**2) / 2, self._spread)
        return self.mean(tasks) * math.exp(noise)


def by_hash(weights: Sequence[float], stores: int) -> list[int]:
    """Give each queue to the store that the hash of its name says."""
    return [zlib.crc32(f"queue-{number}".encode()) % stores for number in range(len(weights))]


def by_table(weights: Sequence[float], stores: int) -> list[int]:
    """Give each queue, the largest first, to the store that has least to do."""
    load = [0.0] * stores
    home = []
    for weight in weights:  # they are in this order
        home.append(load.index(min(load)))
        load[home[-1]] += weight
    return home


def zipf(exponent: float) -> list[float]:
    """Return each queue's share, the largest first."""
    weights = [1 / rank**exponent for rank in range(1, QUEUES + 1)]
    return [weight / sum(weights) for weight in weights]


def simulate(
    commit_time: CommitTime,
    pick_store: Callable[[], int],
    stores: int,
    *,
    callers: int = 0,
    rate: float = 0.0,
) -> Outcome:
    """Let callers create tasks, each its next one when it is answered; or let them come at a rate.

    As in the ledger, a store takes for its next commit all that came while it was at the last.
    """
    chance = random.Random(1)
    waiting: list[list[float]] = [[] for _ in range(stores)]
    under_way: list[list[float]] = [[] for _ in range(stores)]
    events: list[tuple[float, int]] = []  # time, and the store that is done; -1: one more comes
    took: list[float] = []
    now, done, commits = 0.0, 0, 0

    def come() -> None:
        store = pick_store()
        waiting[store].append(now)
        begin(store)

    def begin(store: int) -> None:
        if waiting[store] and not under_way[store]:
            under_way[store] = waiting[store][:MOST_IN_A_COMMIT]
            del waiting[store][:MOST_IN_A_COMMIT]
            ends = now + commit_time.draw(len(under_way[store]))
            heapq.heappush(events, (ends, store))

    for _ in range(callers):
        come()
    if rate:
        heapq.heappush(events, (0.0, -1))
    while commits < COMMITS * stores:
        now, store = heapq.heappop(events)
        if store < 0:
            come()
            heapq.heappush(events, (now + chance.expovariate(rate), -1))
            continue
        answered, under_way[store] = under_way[store], []
        took += [now - start for start in answered]
        done += len(answered)
        commits += 1
        for _ in answered if callers else ():
            come()
        begin(store)
    took.sort()
    ms = [1000 * took[len(took) * part // 100] for part in (50, 99)]
    return Outcome(done / now, *ms)


def picker(home: Sequence[int], weights: Sequence[float]) -> Callable[[], int]:
    """Return what picks the store of the next task."""
    chance, until = random.Random(2), list(accumulate(weights))
    return lambda: home[min(bisect_left(until, chance.random()), QUEUES - 1)]


def main() -> None:
    """Check the simulation against what was measured, then show what more stores bring."""
    figures = json.loads(MEASURED.read_text())["figures"]
    commit_time = CommitTime(figures, random.Random(3))
    print("| one store | measured per second | simulated | off by |\n|---|---|---|---|")
    for callers in (1, 16, 64, 256):
        measured = figures[f"group commit, {callers} callers"]["rate"]
        rate = simulate(commit_time, lambda: 0, 1, callers=callers).rate
        print(f"| {callers} callers | {measured:.0f} | {rate:.0f} | {rate / measured - 1:+.0%} |")
    capacity = simulate(commit_time, lambda: 0, 1, callers=256).rate
    print("\n| stores | queues | placed | largest share | most per second | gain ", end="")
    print(
        "| p99 ms at 0.7 of one store | p99 ms at 0.7 of all |\n|---|---|---|---|---|---|---|---|"
    )
    for stores in (1, 2, 4, 8):
        for exponent in (0.0, 1.0):
            for place in (by_hash, by_table) if stores > 1 and exponent else (by_hash,):
                weights = zipf(exponent)
                home = place(weights, stores)
                share = [0.0] * stores
                for store, weight in zip(home, weights, strict=True):
                    share[store] += weight
                pick = picker(home, weights)
                most = simulate(commit_time, pick, stores, callers=256 * stores).rate
                same = simulate(commit_time, pick, stores, rate=0.7 * capacity).p99
                all_ = simulate(commit_time, pick, stores, rate=0.7 * capacity * stores).p99
                name = f"Zipf {exponent:g}" if exponent else "even"
                print(f"| {stores} | {name} | {place.__name__[3:]} | {max(share):.0%} ", end="")
                print(f"| {most:.0f} | {most / capacity:.1f} | {same:.0f} | {all_:.0f} |")


if __name__ == "__main__":
    main()

"""What it costs the server to refuse a call, beside what it costs to answer one.

    .venv/bin/python benchmarks/refusal.py [ROUNDS]

One call may be in flight. It is kept waiting by a locked store, and so all others are refused.
"""

import sqlite3
import statistics
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import servers
from arrivals import FILLING, Calls, Load, offer
from overload import creations, gets
from wire import Wire
from workplace import workplace

ROUNDS = 5
_RATE, _SECONDS = 200.0, 1.0


@contextmanager
def filled(server: servers.Server, path: str, create: Calls) -> Iterator[None]:
    """Keep the only place for a call taken: its creation waits for another program's lock."""
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        Wire(server.address) as wire,
    ):
        db.execute("BEGIN IMMEDIATE")
        wire.connections[0].start(create[0], create[1]())
        wire.flush()
        yield


def cost(server: servers.Server, get: Calls) -> tuple[float, float]:
    """Return the server's CPU for a call in microseconds, and the share of calls refused."""
    before = server.cpu
    tally = offer(server.address, 4, Load((get,), _RATE, _SECONDS, 2.0))
    spent = (server.cpu - before) / (_RATE * (FILLING + _SECONDS))
    return spent * 1e6, len(tally.refused) / tally.calls


def main() -> None:
    """Measure the two by turns, and print the medians."""
    answers, refusals = [], []
    with (
        workplace() as (at, _),
        servers.idstatus(store := at.store(), at.server_cores, "--max-in-flight", "1") as server,
    ):
        with Wire(server.address) as wire:
            get, create = gets(wire), creations(wire)
        for _ in range(int(sys.argv[1]) if sys.argv[1:] else ROUNDS):
            spent, refused = cost(server, get)
            answers.append(spent)
            assert not refused
            with filled(server, store.removeprefix("sqlite:///"), create):
                spent, refused = cost(server, get)
            refusals.append(spent)
            assert refused > 0.9, refused
    for what, costs in (("answered", answers), ("refused", refusals)):
        middle, least, most = statistics.median(costs), min(costs), max(costs)
        print(f"a get that is {what}: {middle:.0f} us of CPU ({least:.0f} to {most:.0f})")


if __name__ == "__main__":
    main()

"""What a server still gets done when calls come faster than it can serve them.

    .venv/bin/python benchmarks/overload.py [WHAT ...] [--seconds 5] [--deadline 2]

WHAT is get, create, mix or batch (creations of 100 tasks each); all of them if none is named. The
capacity is what 256 callers get done that wait for their answers; five times as many callers are
tried, too. Then once, twice and five times as many calls a second as the capacity are offered,
whatever the answers. Only those answered in time count.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence

import servers
from arrivals import Calls, Load, Tally, offer
from contest import WARM_UP, Meter, Setting
from unary import BATCH_CREATE, CALLERS, CONNECTIONS, CREATE, GET, create_many, new_task
from wire import Wire
from workplace import workplace

from idstatus.v1 import task_service_pb2 as t

TIMES = (1, 2, 5)
_TASKS = 1000
_BATCH = 100
_MANY = 8
_HEAD = (
    *("calls", "offered/s", "in time/s", "of peak", "refused", "late", "failed"),
    *("answer p50", "p99", "refusal p50", "p99", "memory", "server"),
)


def gets(wire: Wire) -> Calls:
    """Ask for the statuses of tasks, in turn."""
    requests = [t.GetIdStatusRequest(id=i).SerializeToString() for i in create_many(wire, _TASKS)]
    turns = itertools.cycle(requests)
    return GET, lambda: next(turns)


def creations(_: Wire) -> Calls:
    """Create a task in each call."""
    request = new_task().SerializeToString()
    return CREATE, lambda: request


def batches(_: Wire) -> Calls:
    """Create a hundred tasks in each call."""
    request = t.BatchCreateTasksRequest(requests=[new_task()] * _BATCH).SerializeToString()
    return BATCH_CREATE, lambda: request


KINDS: dict[str, Sequence[Callable[[Wire], Calls]]] = {
    "get": (gets,),
    "create": (creations,),
    "mix": (gets, creations),
    "batch": (batches,),
}


def capacity(wire: Wire, kinds: Sequence[Calls], seconds: float, callers: int) -> float:
    """Return how many calls a second are answered to callers that wait, each kind in turn."""
    return len(kinds) / sum(needed(wire, kind, seconds, callers) for kind in kinds)


def needed(wire: Wire, kind: Calls, seconds: float, callers: int) -> float:
    """Return how many seconds each of the calls took that callers got done one after another."""
    with wire.flood(*kind, callers) as flood:
        wire.run(WARM_UP)
        before, start = flood.done, time.perf_counter()
        wire.run(seconds)
        wire.until(lambda: flood.done > before)
        return (time.perf_counter() - start) / (flood.done - before)


def percentiles(took: Sequence[float]) -> tuple[str, str]:
    """Return the median and the 99th of a hundred, in milliseconds."""
    if len(took) < 2:
        return "", ""
    cuts = statistics.quantiles(took, n=100)
    return f"{cuts[49] * 1000:.0f} ms", f"{cuts[98] * 1000:.0f} ms"


def row(what: str, load: Load, peak: float, tally: Tally) -> tuple[str, ...]:
    """Return what is told of one load."""
    in_time = len(tally.answered) / load.seconds
    shares = (len(tally.refused), tally.late, tally.failed)
    return (
        *(what, f"{load.rate:.0f}", f"{in_time:.0f}", f"{in_time / peak:.2f}"),
        *(f"{share / tally.calls:.0%}" for share in shares),
        *percentiles(tally.answered),
        *percentiles(tally.refused),
    )


def measure(at: Setting, name: str, deadline: float, flags: Sequence[str]) -> None:
    """Load a server of its own, and tell what came of it."""
    with servers.idstatus(at.store(), at.server_cores, *flags) as server:
        with Wire(server.address, CONNECTIONS) as wire:
            kinds = [prepare(wire) for prepare in KINDS[name]]
            counts = (CALLERS, TIMES[-1] * CALLERS)
            loads = [(count, capacity(wire, kinds, at.seconds, count)) for count in counts]
        most = loads[0][1]
        for callers, done in loads:
            share = f"{done / most:.2f}"
            told = (f"{name}, {callers} callers", "", f"{done:.0f}", share)
            tell((*told, *[""] * 7, memory(server), ""))
        peak = most
        for times in TIMES:
            load = Load(kinds, times * most, at.seconds, deadline)
            with Meter(server) as meter:
                tally = offer(server.address, _MANY, load)
            peak = max(peak, len(tally.answered) / at.seconds)
            cells = row(f"{name}, {times} times that", load, peak, tally)
            tell((*cells, memory(server), f"{meter.server:.2f}"))


def memory(server: servers.Server) -> str:
    """Return the most memory that a server had so far."""
    return f"{servers.memory_of(server.pid, 'VmHWM') >> 20} MiB"


def tell(cells: Sequence[str]) -> None:
    """Print a row of the table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Load servers, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", nargs="*", choices=[*KINDS, []], help="get, create, mix, batch")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--deadline", type=float, default=2.0)
    parser.add_argument("--flag", action="append", default=[], help="for the server, name=value")
    given = parser.parse_args()
    with workplace(given.seconds) as (at, _):
        tell(_HEAD)
        tell(["---"] * len(_HEAD))
        for name in given.what or KINDS:
            measure(at, name, given.deadline, [f"--{flag}" for flag in given.flag])


if __name__ == "__main__":
    main()

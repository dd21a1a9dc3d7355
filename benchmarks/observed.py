"""What it costs to count: a call, and a commit of one change and of a hundred, in microseconds.

.venv/bin/python benchmarks/observed.py
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry

from idstatus_server.lifecycle import Status
from idstatus_server.metrics.events import Events
from idstatus_server.model import Change, Kind, Task, Transition
from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.rpc.observing import observed

TIMES, ROUNDS = 20_000, 15
METHOD = "idstatus.v1.TaskService/GetIdStatus"


class Context:
    """What is asked of a call's."""

    def code(self) -> None:
        """Return that nobody has set one."""


async def answer(_request: object, _context: object) -> None:
    """Do nothing, as fast as can be."""


async def calls(handler: Callable[..., Any]) -> float:
    """Return the time of a call, in the best round."""
    context = Context()
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES):
            await handler(None, context)
        best = min(best, time.perf_counter() - began)
    return best / TIMES * 1e6


def commits(observer: Observer, size: int) -> float:
    """Return the time that is added to a commit of claims, in the best round."""
    queued = Task(
        id="a",
        queue="q",
        timeout=1,
        transitions=(Transition(revision=1, time=1, to=Status.QUEUED),),
    )
    running = Task(id="a", queue="q", timeout=1, status=Status.RUNNING, update_time=5)
    claim = Change(revision=2, unit=2, kind=Kind.TRANSITION, task=running, before=queued)
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES // size):
            observer.committed(1, [claim] * size, 0.003)
        best = min(best, time.perf_counter() - began)
    return best / (TIMES // size) * 1e6


async def main() -> None:
    """Print a line for each."""
    events = Events(CollectorRegistry())
    bare = await calls(answer)
    for name, observer in (("without --metrics-listen", UNOBSERVED), ("with", events)):
        print(f"a call, {name}: {await calls(observed(answer, observer, METHOD)) - bare:.1f}")
    for size in (1, 100):
        print(f"a commit of {size}, with: {commits(events, size):.1f}")


if __name__ == "__main__":
    asyncio.run(main())

"""Strikes a scene with one fault after another, as luck has it, while the work goes on."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Container
from typing import Any, NamedTuple

from faults.scene import Scene

Act = Callable[[Scene], Awaitable[object]]


class Trouble(NamedTuple):
    """A fault: how it is done and undone, and on which stores there is such a thing."""

    name: str
    do: Act
    undo: Act
    stores: tuple[str, ...] = ("sqlite", "postgres")


def aside(act: Callable[[Any], object]) -> Act:
    """Do it beside the event loop, for it takes its time."""
    return lambda scene: asyncio.to_thread(act, scene)


KILLED, FORWARD, BACK = "server killed", "clock forward", "clock back"
ON_SQLITE, ON_POSTGRES = ("sqlite",), ("postgres",)
TROUBLES = (
    Trouble(KILLED, aside(lambda s: s.server.kill()), aside(lambda s: s.server.start())),
    Trouble("server stopped", aside(Scene.freeze), aside(Scene.thaw)),
    Trouble("runners killed", aside(lambda s: s.runner.kill()), aside(lambda s: s.runner.start())),
    Trouble(FORWARD, aside(lambda s: s.clock.set(20)), aside(lambda _: None)),
    Trouble(BACK, aside(lambda s: s.clock.set(-3)), aside(lambda _: None)),
    Trouble("disk full", aside(lambda s: s.disk.fill()), aside(lambda s: s.disk.free()), ON_SQLITE),
    Trouble("connection cut", lambda s: s.way.stop(), lambda s: s.way.start(), ON_POSTGRES),
    Trouble(
        "connection slow",
        aside(lambda s: s.way.slow(0.05)),
        aside(lambda s: s.way.slow(0)),
        ON_POSTGRES,
    ),
    Trouble(
        "database killed",
        aside(lambda s: s.postgres.kill()),
        aside(lambda s: s.postgres.resume()),
        ON_POSTGRES,
    ),
)
# How long a fault lasts, in seconds, and what must have been done between two of them.
_LASTS = (0.05, 1.5)
_WORK = (5, 60)


class Conductor:
    """Strikes a scene; counts the faults by their names.

    ``spared`` are the names of the faults that are left out.
    """

    def __init__(self, scene: Scene, seed: int, spared: Container[str] = ()) -> None:
        self.struck: Counter[str] = Counter()
        self._scene = scene
        self._luck = random.Random(seed)
        self._troubles = [
            one for one in TROUBLES if scene.store in one.stores and one.name not in spared
        ]

    async def strike_each(self) -> None:
        """Strike with every fault once, in any order."""
        for trouble in self._luck.sample(self._troubles, len(self._troubles)):
            await self._strike(trouble)

    async def strike_for(self, seconds: float) -> None:
        """Strike at random until the time is over."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            await self._strike(self._luck.choice(self._troubles))

    async def strike_times(self, times: int) -> None:
        """Strike at random, so many times."""
        for _ in range(times):
            await self._strike(self._luck.choice(self._troubles))

    async def _strike(self, trouble: Trouble) -> None:
        await self._scene.storm.acknowledged(self._luck.randint(*_WORK))
        self.struck[trouble.name] += 1
        try:
            await trouble.do(self._scene)
            await asyncio.sleep(self._luck.uniform(*_LASTS))
        finally:
            await trouble.undo(self._scene)

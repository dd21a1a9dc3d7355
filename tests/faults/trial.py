"""Trials: what rules does a server break?"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from faults.broken import NO_FAULT
from faults.events import EVENTS, events
from faults.storm import Storm
from waiting import until
from watch.sites import Site
from watch.truth import origin, swept

from harness import OF_TESTS, ServerProcess

# Tasks told of in a storm, and storms in which a fault that shows seldom must be caught.
WORK, LONG_WORK, STORMS = 60, 400, 5


class BrokenServer(ServerProcess):
    """The build whose faults can be switched on."""

    def __init__(self, folder: Path, fault: str = NO_FAULT) -> None:
        self._told = folder / "fault"
        self._fault = fault
        super().__init__(folder, program=(*OF_TESTS, "faults.broken", str(self._told)))

    def start(self, *flags: str) -> "BrokenServer":
        """Start it, with the fault that was last switched on."""
        self._told.write_text(self._fault)
        return super().start(*flags)

    def switch(self, fault: str) -> None:
        """Switch on a fault, and off the one before."""
        self._fault = fault
        self._told.write_text(fault)
        self.signal(signal.SIGUSR1)
        until(lambda: not self._told.exists())


async def unseen_without_a_fault(server: BrokenServer) -> set[str]:
    """Let storms rage at a server without a fault; return what has not happened in any.

    It breaks no rule, and answers every call.
    """
    left = set(EVENTS)
    for _ in range(STORMS):
        if not left:
            break
        async with Site(server.address) as site:
            start, since = await swept(site)
            storm = Storm([site], start, since, since)
            await storm.acknowledged(LONG_WORK)
            await storm.settle()
        assert [one.error for one in storm.history.operations if not one.is_known] == []
        left -= events(storm.history, storm.truth)
    return left


async def rules_broken_by(server: BrokenServer, fault: str) -> set[str]:
    """Return the names of the rules that a server breaks while a fault is switched on."""
    async with Site(server.address) as site:
        start, since = await swept(site)
        server.switch(fault)
        # The server remembers requests, so the seed must be that of no other storm on it.
        storm = Storm([site], start, since, since)
        await storm.acknowledged(WORK)
        await storm.calm()
        server.switch(NO_FAULT)
        return {breach.rule for breach in await storm.verdict()}


async def not_caught(server: BrokenServer, fault: str, rules: set[str]) -> set[str]:
    """Return those of the rules that find nothing, however often a fault is switched on."""
    left = set(rules)
    for _ in range(STORMS):
        if left:
            left -= await rules_broken_by(server, fault)
    return left


async def rules_broken_by_a_cut(
    server: ServerProcess, cut: Callable[[], None], before: Callable[[], None] = lambda: None
) -> set[str]:
    """Return the names of the rules that a server breaks which is killed amid the work.

    ``cut`` does what else happens when the power fails, and ``before`` what must be done before
    the work begins.
    """
    try:
        await asyncio.to_thread(server.start)
        async with Site(server.address) as site:
            start = await origin(site)
            await asyncio.to_thread(before)
            storm = Storm([site], start, seed=1)
            await storm.acknowledged(WORK)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(cut)
            await asyncio.to_thread(server.start)
            await storm.acknowledged(WORK // 10)
            await storm.calm()
            return {breach.rule for breach in await storm.verdict()}
    finally:
        server.kill()

"""Watches that run beside a workload, until they have seen what there is to see."""

import asyncio
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from watch.checker import Watched, check, settled
from watch.sites import Reading, Site, resumed
from watch.truth import Truth, Violation, Wanted

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

SECOND = Duration(seconds=1)
_QUIET = 0.8


class Goal:
    """Tells a reading when it has enough: at the last change that it must show.

    Where nothing is left to show, two bookmarks in a row say so that came about a second apart: a
    slow reader meets those of long ago, too, but one right after the other.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.revision: int | None = None
        self._quiet_since: float | None = None

    def set(self, truth: Truth) -> None:
        """Make the last change of the truth the goal."""
        self.revision = max((entry.revision for entry in truth.shown(self.wanted)), default=0)

    def reached(self, reading: Reading) -> bool:
        """Tell whether the reading has enough."""
        begun = reading.complete or reading.request.resume_token
        if self.revision is None or not begun:
            return False
        if reading.revision >= self.revision > 0:
            return True
        last, now = reading.messages[-1], reading.times[-1]
        if last.changes or last.snapshot_complete:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        return self._quiet_since is not None and now - self._quiet_since > _QUIET


def request_for(wanted: task_pb2.TaskFilter, **fields: object) -> pb.WatchTasksRequest:
    """Return the request for a watch with a filter."""
    return pb.WatchTasksRequest(filter=wanted, bookmark_interval=SECOND, **fields)  # type: ignore[arg-type]


class Follower:
    """A watch that is read in the background."""

    def __init__(self, site: Site, request: pb.WatchTasksRequest) -> None:
        self.wanted = Wanted(frozenset(request.ids), request.filter)
        self.goal = Goal(self.wanted)
        self.reading = Reading(request)
        self.job = asyncio.create_task(site.read(request, self._enough))

    def _enough(self, reading: Reading) -> bool:
        self.reading = reading
        return self.goal.reached(reading)

    async def finish(self, truth: Truth) -> list[Violation]:
        """Let it read on to the end of the truth, and check it."""
        self.goal.set(truth)
        self.reading = await self.job
        assert self.reading.code is None, self.reading.error
        return check(Watched(self.reading.messages, truth, self.wanted, truth.head))


async def finish_all(followers: Sequence[Follower], truth: Truth) -> list[Violation]:
    """Let all of them read on to the end of the truth, and return every breach."""
    for follower in followers:
        follower.goal.set(truth)
    found = [await follower.finish(truth) for follower in followers]
    return [breach for breaches in found for breach in breaches]


async def check_resumption(
    site: Site, reading: Reading, truth: Truth, *, tokens: int = 10_000
) -> list[Violation]:
    """Resume from each message's token, or from so many; each time the whole is one watch."""
    every = max(1, len(reading.messages) // tokens)
    gate = asyncio.Semaphore(16)

    async def resume(at: int) -> list[Violation]:
        async with gate:
            return await _resume(site, reading, at, truth)

    found = await asyncio.gather(*map(resume, range(0, len(reading.messages), every)))
    return [breach for breaches in found for breach in breaches]


async def _resume(site: Site, reading: Reading, at: int, truth: Truth) -> list[Violation]:
    wanted = Wanted(frozenset(reading.request.ids), reading.request.filter)
    goal = Goal(wanted)
    goal.set(truth)
    before = settled(reading.messages[: at + 1])
    request = resumed(reading.request, before[-1].resume_token)
    complete = any(message.snapshot_complete for message in before)
    seen = max((c.id_status.revision for m in before for c in m.changes), default=0)

    def enough(rest: Reading) -> bool:
        rest.complete = rest.complete or complete
        rest.revision = max(rest.revision, seen)
        return rest.complete and goal.reached(rest)

    rest = await site.read(request, enough)
    start = None if not reading.request.skip_snapshot else 0
    whole: Sequence[pb.WatchTasksResponse] = [*before, *rest.messages]
    breaches = check(Watched(whole, truth, wanted, truth.head, start))
    return [Violation(b.rule, f"resumed at message {at}: {b.text}") for b in breaches]

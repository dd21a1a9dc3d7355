"""A watch that goes on over any number of streams, as the contract lets a client do."""

import asyncio
from collections.abc import Sequence
from itertools import cycle

import grpc
from watch.checker import Watched, check, resumable, stitch
from watch.sites import Reading, Site, resumed
from watch.truth import Truth, Violation, Wanted

from idstatus.v1 import task_service_pb2 as pb

_PATIENCE = 120.0  # it lives through all the faults of a test


class Survivor:
    """Reads a watch from its snapshot, or from a token, and resumes it whenever its stream breaks.

    It goes from site to site. With ``hops`` it leaves each stream after so many messages.
    """

    def __init__(self, sites: Sequence[Site], request: pb.WatchTasksRequest, hops: int = 0) -> None:
        self.wanted = Wanted(filter=request.filter)
        self.segments: list[list[pb.WatchTasksResponse]] = []
        self.codes: list[grpc.StatusCode | None] = []
        self._sites = cycle(sites)
        self._request = request
        self._hops = hops
        self._seen = 0
        self._goal: int | None = None
        self._job = asyncio.create_task(self._read())

    async def finish(self, truth: Truth) -> list[Violation]:
        """Read on to the end of the truth, and check the whole as one watch."""
        shown = truth.shown(self.wanted)
        self._goal = shown[-1].revision
        await self._job
        start = 0 if self._request.resume_token else None
        watched = Watched(stitch(self.segments), truth, self.wanted, truth.head, start)
        return [*resumable(self.segments), *check(watched)]

    async def _read(self) -> None:
        token = self._request.resume_token
        while not self._done:
            site = next(self._sites)
            reading = await site.read(resumed(self._request, token), self._enough, _PATIENCE)
            assert reading.code in (None, grpc.StatusCode.UNAVAILABLE), reading.error
            self.codes.append(reading.code)
            self.segments.append(reading.messages)
            token = reading.token
            if reading.code:
                await asyncio.sleep(0.05)  # as it is told to

    @property
    def _done(self) -> bool:
        return self._goal is not None and self._seen >= self._goal

    def _enough(self, reading: Reading) -> bool:
        self._seen = max(self._seen, reading.revision)
        return self._done or 0 < self._hops <= len(reading.messages)

"""A watch that goes on over any number of streams, as the contract lets a client do."""

import asyncio
from collections.abc import Sequence
from itertools import cycle

import grpc
from watch.checker import Watched, check, joins, resumable, stitch
from watch.following import Goal
from watch.sites import Reading, Site, resumed
from watch.truth import Truth, Violation, Wanted

from idstatus.v1 import task_service_pb2 as pb

_PATIENCE = 120.0  # it lives through all the faults of a test


class Survivor:
    """Reads a watch from its snapshot, or from a token, and resumes it whenever its stream breaks.

    It goes from site to site. With ``hops`` it leaves each stream after so many messages, and
    with ``pause`` it is slow: it takes a message only every so many seconds.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        request: pb.WatchTasksRequest,
        hops: int = 0,
        pause: float = 0.0,
    ) -> None:
        self.wanted = Wanted(filter=request.filter)
        self.segments: list[list[pb.WatchTasksResponse]] = []
        self.codes: list[grpc.StatusCode | None] = []
        self._sites = cycle(sites)
        self._request = request
        self._hops = hops
        self._pause = pause
        self._goal = Goal(self.wanted)
        self._seen = 0
        self._refusal = ""
        self._done = False
        self._job = asyncio.create_task(self._read())

    async def finish(self, truth: Truth, units: Sequence[frozenset[int]] = ()) -> list[Violation]:
        """Read on to the end of the truth, and check the whole as one watch.

        ``units`` are the revisions of what was created together.
        """
        self._goal.set(truth)
        self._pause = 0.0
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._job
        except TimeoutError:
            return [Violation("Reliable", f"the end has not come after {_PATIENCE:g} s")]
        if self._refusal:
            return [Violation("Resumable", self._refusal)]
        watched = Watched(
            stitch(self.segments),
            truth,
            self.wanted,
            truth.head,
            start=truth.since if self._request.resume_token else None,
            units=units,
            joins=joins(self.segments),
        )
        return [*resumable(self.segments), *check(watched)]

    async def _read(self) -> None:
        token = self._request.resume_token
        while not self._done:
            site = next(self._sites)
            request = resumed(self._request, token)
            reading = await site.read(request, self._enough, _PATIENCE, self._rest)
            self.codes.append(reading.code)
            self.segments.append(reading.messages)
            token = reading.token
            if not _may_resume(reading):
                self._refusal = f"resumed from {token!r}: {reading.error or reading.code}"
                return
            if reading.code:
                await asyncio.sleep(0.05)  # as it is told to

    async def _rest(self) -> None:
        await asyncio.sleep(self._pause)

    def _enough(self, reading: Reading) -> bool:
        self._seen = reading.revision = max(self._seen, reading.revision)
        self._done = self._goal.reached(reading)
        return self._done or 0 < self._hops <= len(reading.messages)


def _may_resume(reading: Reading) -> bool:
    """Tell whether it was left, or has ended with what may be resumed.

    gRPC says CANCELLED of a call that no handler took in time (grpc/grpc#41785).
    """
    if reading.code is grpc.StatusCode.CANCELLED:
        return not reading.messages
    return reading.code in (None, grpc.StatusCode.UNAVAILABLE)

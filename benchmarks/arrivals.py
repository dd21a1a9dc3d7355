"""Calls that come at a fixed rate, whatever becomes of those before them, each with a deadline.

Callers that wait for an answer before they call again slow down with the server, and so hide that
it is overloaded. These do not. A call counts as answered only if its answer came before its
deadline; one without an answer by then is given up, as gRPC's clients do.
"""

import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from frames import RST_STREAM, SETTINGS, Call, Connection, frame
from wire import Pool

# gRPC's own setting: the details of an error come as they are, not in base64.
_PLAIN_BINARY = struct.pack("!HL", 0xFE03, 1)
# How often calls are begun, in seconds.
_TICK = 0.001
# A server fills up in so many seconds, which are not counted.
FILLING = 1.0

Calls = tuple[str, Callable[[], bytes]]
"""The path of a kind of calls, and what returns the next request."""


@dataclass(slots=True)
class Tally:
    """What became of calls, and how many seconds it took for those answered and those refused."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    """With RESOURCE_EXHAUSTED and a RetryInfo."""
    late: int = 0
    failed: int = 0
    """Ended in any other way."""

    @property
    def calls(self) -> int:
        """How many there were."""
        return len(self.answered) + len(self.refused) + self.late + self.failed


class Line(Connection):
    """A connection whose calls may be refused, fail, or come to their deadline.

    ``deadline`` is in seconds. Calls that were to begin before ``since`` are not counted.
    """

    def __init__(self, address: str, deadline: float, tally: Tally, since: float) -> None:
        super().__init__(address, timeout=f"{round(deadline * 1000)}m")
        self._out.append(frame(SETTINGS, 0, 0, _PLAIN_BINARY))
        self._deadline = deadline
        self._tally = tally
        self._since = since
        self._began: dict[int, float] = {}
        self._due: deque[int] = deque()

    def begin(self, path: str, request: bytes, at: float) -> None:
        """Begin a call; its deadline counts from the time when it was to begin."""
        stream = self.start(path, request).stream
        self._began[stream] = at
        self._due.append(stream)

    def expire(self, now: float) -> None:
        """Give up the calls whose deadline has passed."""
        while self._due and self._began.get(self._due[0], 0.0) + self._deadline < now:
            stream = self._due.popleft()
            if stream in self.calls:
                call = self.calls[stream]
                self.cancel(call)
                self._end(call, b"")

    def handle(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        """Take a call that is broken off for one that has failed."""
        if kind == RST_STREAM and stream in self.calls:
            self._end(self.calls.pop(stream), body)
        else:
            super().handle(kind, flags, stream, body)

    def finish(self, call: Call, last: bytes) -> None:
        """Take note of how a call has ended."""
        self._end(call, last)

    def _end(self, call: Call, last: bytes) -> None:
        began = self._began.pop(call.stream)
        took = time.perf_counter() - began
        if began < self._since:
            return
        if took > self._deadline:
            self._tally.late += 1
        elif call.messages:
            self._tally.answered.append(took)
        elif b"OVERLOADED" in last and b"google.rpc.RetryInfo" in last:
            self._tally.refused.append(took)
        else:
            self._tally.failed += 1


@dataclass(frozen=True, slots=True)
class Load:
    """How many calls a second are offered, for how many seconds, and of what kinds, in turn."""

    kinds: Sequence[Calls]
    rate: float
    seconds: float
    deadline: float


def offer(address: str, connections: int, load: Load) -> Tally:
    """Offer a load over so many connections, and return once all its calls have ended."""
    turns = cycle(load.kinds)
    start = time.perf_counter()
    ends = start + FILLING + load.seconds
    tally = Tally()
    lines = [Line(address, load.deadline, tally, start + FILLING) for _ in range(connections)]
    number = 0
    with Pool(lines) as pool:
        while True:
            now = time.perf_counter()
            while number < (min(now, ends) - start) * load.rate:
                path, request = next(turns)
                lines[number % connections].begin(path, request(), start + number / load.rate)
                number += 1
            for line in lines:
                line.expire(now)
            pool.flush()
            if now > ends and not any(line.calls for line in lines):
                return tally
            pool.turn(_TICK)

"""How long the calls of a method take, and so whether one more can still be answered in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from idstatus_server.engine.ledger import deadline
from idstatus_server.errors import OverloadedError

# With so few in flight nobody is refused: what was slow may be over.
_FEW = 8
# The share of one call in the mean: some hundred calls are remembered.
_SHARE = 1 / 32


class Pace:
    """Counts the calls of a method that have deadlines, and takes the mean of their times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self._mean = 0.0

    def enter(self, left: float | None) -> float:
        """Let a call in whose deadline is in ``left`` seconds, and return the time.

        Raises:
            OverloadedError: the calls now take longer than that.
        """
        if left is not None and left < self._mean and self._in_flight >= _FEW:
            raise OverloadedError(
                f"calls take {self._mean:.3g} s now, and the deadline is in {left:.3g} s",
                took=f"{self._mean:.3g}",
                left=f"{left:.3g}",
            )
        self._in_flight += 1
        return self._clock()

    def answered(self, entered: float) -> None:
        """Take note that a call is answered, given the time when it was let in."""
        self._mean += (self._clock() - entered - self._mean) * _SHARE

    def leave(self) -> None:
        """Undo ``enter``."""
        self._in_flight -= 1


def in_good_time(
    serve: Callable[..., Awaitable[Any]], *, waits: bool
) -> Callable[..., Awaitable[Any]]:
    """Serve only those calls of a method that can be answered before their deadline.

    That is in so many seconds as the last argument of what is returned says. With ``waits`` calls
    may ask to wait: how long they take is then their own wish.
    """
    pace = Pace()

    async def timely(request: Any, context: Any, left: float) -> Any:
        if left == 0:  # the caller has gone while the call waited to be begun
            raise asyncio.CancelledError
        entered = pace.enter(None if waits else left)
        try:
            deadline.set(time.monotonic() + left)
            answer = await serve(request, context)
            pace.answered(entered)
            return answer
        finally:
            pace.leave()

    return timely

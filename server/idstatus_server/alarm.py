"""A timer for what is set far more often than it rings."""

import asyncio
import math
from collections.abc import Callable


class Alarm:
    """Rings when its time has come, unless it was set anew or turned off before.

    To set it later, or off, touches no timer of the event loop: the one that is there looks
    again when it fires. That is what makes it cheaper than ``asyncio.timeout``, which makes
    and cancels a timer each time. Times are the event loop's, in seconds.
    """

    __slots__ = ("_loop", "_ring", "_timer", "_when")

    def __init__(self, ring: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._when = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Ring at this time, and no more at the one set before."""
        self._when = when
        if self._timer is None or self._timer.when() > when:
            self._drop_timer()
            self._timer = self._loop.call_at(when, self._fire)

    def hasten(self, when: float) -> None:
        """Ring at this time if it was to ring later; an alarm that is off stays off."""
        if when < self._when < math.inf:
            self.set(when)

    def off(self) -> None:
        """Do not ring."""
        self._when = math.inf

    def close(self) -> None:
        """Let go of the timer, and of whom it rings: they hold each other."""
        self._drop_timer()
        self._ring = _nobody

    def _drop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._loop.time() >= self._when:
            self._ring()
        elif self._when < math.inf:
            self.set(self._when)


def _nobody() -> None:
    pass

"""What the figures of reliability share: what one says, and how much is done for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contest import Setting


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and what it must be at most; None if it is only reported."""

    name: str
    what: str
    measured: float
    unit: str
    must: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is what it must be."""
        return self.must is None or self.measured <= self.must


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where it takes place, and how much of it: watchers, watches, rounds of ``seconds``."""

    at: Setting
    live: int = 1_000
    watchers: int = 10_000
    cancelled: int = 100_000
    rounds: int = 5
    seconds: float = 5.0
    slow: int = 30
    """When the server ends a watcher that takes nothing, in seconds."""


def trial(at: Setting) -> Scale:
    """Return the smallest scale on which everything still happens."""
    return Scale(at=at, live=5, watchers=50, cancelled=500, rounds=1, seconds=0.2, slow=1)


Measure = Callable[[Scale], Iterator[Figure]]

"""How often something may come: the generic cell rate algorithm (ITU-T I.371)."""

import time
from collections.abc import Callable

# So many keys are remembered before those that are due no more are forgotten.
_MOST = 10_000


class Rate:
    """Spaces out what comes, key by key; ``slack`` seconds ahead of its time one may come."""

    def __init__(self, slack: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slack = slack
        self._clock = clock
        self._due: dict[str, float] = {}

    def early(self, key: str) -> float:
        """Return by how many seconds the next one would come too early; 0 if it would not."""
        return max(0.0, self._due.get(key, 0.0) - self._clock() - self._slack)

    def count(self, key: str, rate: float) -> None:
        """Take note of one of those that may come ``rate`` times a second."""
        now = self._clock()
        if len(self._due) >= _MOST and key not in self._due:
            self._due = {known: due for known, due in self._due.items() if due > now}
        self._due[key] = max(self._due.get(key, now), now) + 1 / rate

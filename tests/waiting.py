"""Waits for conditions."""

import time
from collections.abc import Callable

PATIENCE = 60.0


def until(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.05)

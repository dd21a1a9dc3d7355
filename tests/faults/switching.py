"""Replaces things of the real server, and puts them back."""

from collections.abc import Callable
from itertools import count
from typing import Any

# A fault shows now and then: one that is always there is found by anybody.
OFTEN, SELDOM = 2, 8

_replaced: list[tuple[Any, str, Any]] = []


def put(owner: Any, name: str, value: Any) -> None:
    """Put something in the place of what the real server has."""
    _replaced.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def put_back() -> None:
    """Undo every ``put``."""
    while _replaced:
        setattr(*_replaced.pop())


def every(times: int) -> Callable[[], bool]:
    """Return what is true each time it was asked so often."""
    asked = count(1)
    return lambda: next(asked) % times == 0

"""Looks for an order of the operations on one task that the machine allows.

The search is Wing and Gong's, with Lowe's memory of what was tried: at each point any step may
be next that began before every other one that is left has ended. The answers make it fast: they
tell revisions, so of the steps that told one only that with the least can be next; and a step
that changes nothing is taken at once.
"""

import math
from collections.abc import Iterator, Sequence

from faults.register import ABSENT, State, Step

Left = frozenset[int]


def can_be_ordered(steps: Sequence[Step]) -> bool:
    """Tell whether the steps, each at one moment of its time, make a legal story.

    Steps that never ended may be a part of it or not.
    """
    tried: set[tuple[Left, State]] = set()
    waiting: list[tuple[Left, State]] = [(frozenset(range(len(steps))), ABSENT)]
    while waiting:
        left, state = waiting.pop()
        if all(steps[i].returned == math.inf for i in left):
            return True
        if (left, state) in tried:
            continue
        tried.add((left, state))
        waiting += _onwards(steps, left, state)
    return False


def _onwards(steps: Sequence[Step], left: Left, state: State) -> list[tuple[Left, State]]:
    """Return what may follow: the steps that are then left, and the state."""
    reached = []
    for i in _next(steps, left):
        after = steps[i].apply(state)
        if after is None:
            continue
        if after == state and steps[i].returned < math.inf:
            return [(left - {i}, state)]
        reached.append((left - {i}, after))
    return reached


def _next(steps: Sequence[Step], left: Left) -> Iterator[int]:
    """Return the steps that may be next by their times and revisions."""
    first_end = min(steps[i].returned for i in left)
    least = min((steps[i].revision for i in left if steps[i].revision), default=0)
    for i in left:
        step = steps[i]
        if step.invoked <= first_end and step.revision in (0, least):
            yield i

"""How many tasks of each queue a commit must load, so that its claims find what they may have."""

from collections import Counter
from collections.abc import Mapping, Sequence

from idstatus_server.lifecycle import Status
from idstatus_server.store.base import Loaded

Claims = Sequence[Mapping[str, int]]
"""Of each claim of a commit the queues in order of preference, with how many it wants."""


def in_vain(claims: Claims, rough: Mapping[str, int]) -> int:
    """Return how many more tasks a rough load may bring than the claims can take."""
    return sum(rough.values()) - sum(max(wanted.values()) for wanted in claims)


def amounts(claims: Claims, known: Loaded) -> dict[str, int]:
    """Return how many of each queue's first tasks the claims of a commit may come to.

    ``known`` holds the counts of the queues, and the tasks that other commands of the commit
    may take away, or end and so make room. A claim comes to a queue only if those before it
    have given all that they can; whoever got it, that much of what all claims want is gone.
    """
    touched = Counter((t.queue, t.status) for t in known.tasks.values())
    found: dict[str, int] = {}
    for queues in claims:
        left = sum(max(wanted.values()) for wanted in claims)
        for name in queues:
            queue, queued = known.queues.get(name), known.queued.get(name, 0)
            if queue is None or queue.paused or not queued or left <= 0:
                continue
            given, most = queued - touched[name, Status.QUEUED], left
            if queue.max_running:
                room = max(0, queue.max_running - known.running.get(name, 0))
                given, most = min(given, room), min(most, room + touched[name, Status.RUNNING])
            found[name] = max(found.get(name, 0), most + touched[name, Status.QUEUED])
            left -= given
    return found

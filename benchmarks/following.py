"""Watchers of one queue that remember what they were told, and can go on from there."""

import time
from collections.abc import Callable
from typing import NamedTuple

from fanout import WATCH
from frames import Call, Connection
from wire import Wire

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import TaskFilter, TaskView

QUEUE = "q"


class Told(NamedTuple):
    """What one message says; many watchers are sent the same."""

    revisions: tuple[int, ...]
    token: str
    snapshot: bool


class Follower:
    """One watcher."""

    __slots__ = ("_crowd", "told")

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self.told: list[Told] = []

    def hear(self, message: bytes) -> None:
        """Take what comes."""
        self.told.append(self._crowd.read(message))

    def start(self, connection: Connection, on_end: Callable[[], object] = int) -> Call:
        """Watch from where it was, or else from now on."""
        request = t.WatchTasksRequest(
            filter=TaskFilter(queues=[QUEUE]),
            resume_token=self.told[-1].token if self.told else "",
            skip_snapshot=True,
            view=self._crowd.view,
        )
        return connection.start(WATCH, request.SerializeToString(), self.hear, on_end)

    @property
    def revisions(self) -> list[int]:
        """All changes that it was told of."""
        return [revision for told in self.told for revision in told.revisions]

    @property
    def relisted(self) -> bool:
        """Whether it was told of a state, not of changes only."""
        return any(told.snapshot for told in self.told)


class Crowd:
    """Many watchers; how many changes all were ``told`` of, and which was ``heard`` when.

    Of a message the first change counts, which has waited longest; times are in nanoseconds.
    """

    def __init__(self, size: int, view: TaskView.ValueType = TaskView.TASK_VIEW_STATUS) -> None:
        self.view = view
        self.followers = [Follower(self) for _ in range(size)]
        self.told = 0
        self.heard: list[tuple[int, int]] = []
        self._known: dict[bytes, Told] = {}

    def open(self, wire: Wire) -> None:
        """Let all watch, some at a time."""
        wire.open(len(self.followers), lambda to, number: self.followers[number].start(to))

    def start(self, wire: Wire) -> None:
        """Let all watch at once."""
        for number, follower in enumerate(self.followers):
            follower.start(wire.connections[number % len(wire.connections)])

    def read(self, message: bytes) -> Told:
        """Read a message, and take note of it."""
        told = self._known.get(message)
        if told is None:
            told = self._known[message] = _read(message)
        if told.revisions:
            self.told += len(told.revisions)
            self.heard.append((time.monotonic_ns(), told.revisions[0]))
        return told

    def until_told(self, wire: Wire, newest: int) -> None:
        """Wait until each was told of everything, which is all that was ever done in the store."""
        wire.until(lambda: self.told >= newest * len(self.followers))

    def faulty(self, newest: int) -> int:
        """Return how many were not told of each change once and in order."""
        everything = list(range(1, newest + 1))
        return sum(follower.revisions != everything for follower in self.followers)


def _read(message: bytes) -> Told:
    parsed = t.WatchTasksResponse.FromString(message)
    return Told(
        tuple(change.id_status.revision for change in parsed.changes),
        parsed.resume_token,
        parsed.snapshot_complete or any(c.type == c.TYPE_SNAPSHOT for c in parsed.changes),
    )

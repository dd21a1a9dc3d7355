"""The hub: tells every change to those whom it concerns. It holds no truth.

It remembers the newest changes, so that those who fell a little behind need not
ask the store.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from idstatus_server.errors import DomainError
from idstatus_server.model import Change
from idstatus_server.store.base import Store

# How many changes are remembered.
_RECENT = 4096


class Subscriber(Protocol):
    """Someone who is told of changes as they are committed."""

    def offer(self, changes: Sequence[Change]) -> None:
        """Take note of one commit's changes. Must return at once."""
        ...

    def end(self, error: DomainError) -> None:
        """Take note that nothing more will come."""
        ...


class Hub:
    """Knows the newest revision, and who wants to hear of what."""

    def __init__(self, store: Store, head: int) -> None:
        self.store = store
        self.head = head
        self._recent: deque[Change] = deque(maxlen=_RECENT)
        self._by_id: dict[str, set[Subscriber]] = {}
        self._by_queue: dict[str, set[Subscriber]] = {}
        self._everywhere: set[Subscriber] = set()
        self._attached: set[Subscriber] = set()
        self._reached = asyncio.Event()
        self.ended: DomainError | None = None

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell one commit's changes; commits come in order."""
        self.head = changes[-1].revision
        self._recent.extend(changes)
        self._reached.set()
        concerned: dict[Subscriber, None] = dict.fromkeys(self._everywhere)
        for change in changes:
            for index, key in ((self._by_id, change.task.id), (self._by_queue, change.task.queue)):
                found = index.get(key)
                if found:
                    concerned.update(dict.fromkeys(found))
        for subscriber in concerned:
            subscriber.offer(changes)

    async def reached(self, revision: int) -> None:
        """Return once all changes up to a revision were told; another process made them."""
        while self.head < revision:
            self._reached.clear()
            await self._reached.wait()

    async def read(self, after: int, limit: int) -> Sequence[Change]:
        """Return the next changes past a revision, whole units only.

        Raises:
            RevisionCompactedError: the log no longer reaches back that far.
        """
        if not self._recent or self._recent[0].revision > after + 1:
            # The store may be a commit ahead: what is not published yet will be.
            return [c for c in await self.store.log(after, limit) if c.revision <= self.head]
        start = after + 1 - self._recent[0].revision
        changes = list(islice(self._recent, start, start + limit))
        if changes and changes[-1].unit > changes[-1].revision:
            changes += islice(
                self._recent,
                start + len(changes),
                start + len(changes) + changes[-1].unit - changes[-1].revision,
            )
        return changes

    def check(self) -> None:
        """Raise the error with which the hub was ended, if it was."""
        if self.ended:
            raise self.ended

    def follow(
        self, subscriber: Subscriber, ids: Iterable[str] = (), queues: Iterable[str] = ()
    ) -> None:
        """Tell the subscriber of changes to these tasks, or in these queues."""
        for index, keys in ((self._by_id, ids), (self._by_queue, queues)):
            for key in keys:
                index.setdefault(key, set()).add(subscriber)

    def follow_all(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of every change."""
        self._everywhere.add(subscriber)

    def leave(
        self, subscriber: Subscriber, ids: Iterable[str] = (), queues: Iterable[str] = ()
    ) -> None:
        """Stop telling the subscriber of these, and of everything if it asked for that."""
        self._everywhere.discard(subscriber)
        for index, keys in ((self._by_id, ids), (self._by_queue, queues)):
            for key in keys:
                found = index.get(key, set())
                found.discard(subscriber)
                if not found:
                    index.pop(key, None)

    def attach(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of the end, whatever it follows."""
        self.check()
        self._attached.add(subscriber)

    def detach(self, subscriber: Subscriber) -> None:
        """Undo ``attach``."""
        self._attached.discard(subscriber)

    def end(self, error: DomainError) -> None:
        """Tell everyone that nothing more will come; refuse new ones."""
        self.ended = error
        self.interrupt(error)

    def interrupt(self, error: DomainError) -> None:
        """End everyone with an error; they may come back."""
        everyone = self._attached.union(
            self._everywhere, *self._by_id.values(), *self._by_queue.values()
        )
        for subscriber in everyone:
            subscriber.end(error)

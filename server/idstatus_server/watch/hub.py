"""The hub: tells every change to those whom it concerns. It holds no truth.

It remembers the newest changes, so that those who fell a little behind, or who all come
back after a restart, need not each ask the store.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

from idstatus_server.access import Caller, caller
from idstatus_server.errors import CallerChangedError, CredentialsExpiredError, DomainError
from idstatus_server.model import Change, Mark
from idstatus_server.store.base import Store
from idstatus_server.watch.places import Place, places

# How many changes are remembered, and read at once to be.
_RECENT = 4096
_AT_ONCE = 200


class Attached(Protocol):
    """Someone who is told of the end."""

    def end(self, error: DomainError) -> None:
        """Take note that nothing more will come."""
        ...


class Watcher(Attached, Protocol):
    """Someone who follows the changes from a place of their own."""

    @property
    def phase(self) -> str:
        """What it is about: snapshot, behind or live."""
        ...

    @property
    def lag(self) -> int:
        """How many revisions it has yet to look at."""
        ...


class Subscriber(Protocol):
    """Someone who is told of changes as they are committed. Both must return at once."""

    def wants(self, change: Change) -> bool:
        """Tell whether a change is to be offered; called once for each, in order."""
        ...

    def offer(self, changes: Sequence[Change], mark: Mark) -> None:
        """Take what is wanted of one commit, which ends at the mark."""
        ...


class Hub:
    """Knows the newest revision, and who wants to hear of what."""

    def __init__(self, store: Store, newest: Mark) -> None:
        self.store = store
        self.newest = newest
        self._recent: deque[Change] = deque()
        self._start = newest  # what is remembered begins right after it
        self._recalling = asyncio.Lock()
        self._filed: dict[Place, set[Subscriber]] = {}
        self._attached: dict[Attached, tuple[Caller, asyncio.TimerHandle | None]] = {}
        self.watchers: set[Watcher] = set()
        self._moved = asyncio.Event()
        self.ended: DomainError | None = None

    def publish(self, changes: Sequence[Change]) -> None:
        """Tell one commit's changes; commits come in order."""
        self.newest = changes[-1].mark
        self._recent.extend(changes)
        while len(self._recent) > _RECENT:
            self._start = _place(self._recent.popleft())
        self._moved.set()
        concerned: dict[Subscriber, list[Change]] = {}
        for change in changes:
            for place in places(change.task):
                for subscriber in self._filed.get(place, ()):
                    if subscriber.wants(change):
                        concerned.setdefault(subscriber, []).append(change)
        for subscriber, wanted in concerned.items():
            subscriber.offer(wanted, self.newest)

    async def moved(self) -> None:
        """Return once more changes were told, or everyone was ended."""
        self._moved.clear()
        await self._moved.wait()

    async def read(self, after: Mark, limit: int) -> Sequence[Change]:
        """Return the next changes past a mark, whole units only.

        Raises:
            RevisionCompactedError: the log no longer reaches back that far.
            RevisionInFutureError: the mark is not of this store's history.
        """
        if 0 < self._start.revision - after.revision <= _RECENT - len(self._recent):
            await self._recall(after)
        start = self._after(after)
        if start is None:
            # The store may be a commit ahead: what is not published yet will be.
            log = await self.store.log(after, limit)
            return [change for change in log if change.revision <= self.newest.revision]
        changes = list(islice(self._recent, start, start + limit))
        if changes and changes[-1].unit > changes[-1].revision:
            changes += islice(
                self._recent,
                start + len(changes),
                start + len(changes) + changes[-1].unit - changes[-1].revision,
            )
        return changes

    def _after(self, mark: Mark) -> int | None:
        """Return where in what is remembered a reader at a mark goes on, None if nowhere."""
        start = mark.revision - self._start.revision
        if 0 <= start <= len(self._recent):
            known = _place(self._recent[start - 1]) if start else self._start
            return start if known == mark else None
        return None

    async def _recall(self, after: Mark) -> None:
        """Remember what follows on a mark, too: it is read once for all who come back to it."""
        async with self._recalling:
            older: list[Change] = []
            mark = after
            while mark.revision < self._start.revision:
                read = await self.store.log(mark, _AT_ONCE)
                older += [change for change in read if change.revision <= self._start.revision]
                if not read or read[-1] is not older[-1]:
                    break
                mark = older[-1].mark
                await asyncio.sleep(0)
            if older and _place(older[-1]) == self._start:
                self._recent.extendleft(reversed(older))
                self._start = after

    def check(self) -> None:
        """Raise the error with which the hub was ended, if it was."""
        if self.ended:
            raise self.ended

    def follow(self, subscriber: Subscriber, at: Iterable[Place]) -> None:
        """Offer the subscriber the changes that belong at these places."""
        for place in at:
            self._filed.setdefault(place, set()).add(subscriber)

    def leave(self, subscriber: Subscriber, at: Iterable[Place]) -> None:
        """Undo ``follow``."""
        for place in at:
            found = self._filed.get(place, set())
            found.discard(subscriber)
            if not found:
                self._filed.pop(place, None)

    def crowd(self, at: Iterable[Place]) -> int:
        """Return how many are filed at these places."""
        return sum(len(self._filed.get(place, ())) for place in at)

    def attach(self, one: Attached) -> None:
        """Tell someone of the end: the hub's, or that of what let the caller in."""
        self.check()
        who, expiry = caller.get(), None
        who.stay()
        if (left := who.left()) < math.inf:
            loop = asyncio.get_running_loop()
            expiry = loop.call_later(left, one.end, CredentialsExpiredError())
        self._attached[one] = who, expiry

    def detach(self, one: Attached) -> None:
        """Undo ``attach``."""
        _, expiry = self._attached.pop(one, (None, None))
        if expiry:
            expiry.cancel()

    @contextmanager
    def attached(self, one: Attached) -> Iterator[None]:
        """Tell someone of the end, if it comes within."""
        self.attach(one)
        try:
            yield
        finally:
            self.detach(one)

    def review(self) -> None:
        """End those of whom we were told otherwise since they came; they may come back."""
        for one, (who, _) in self._attached.items():
            if who.standing.changed:
                one.end(CallerChangedError())

    def end(self, error: DomainError) -> None:
        """Tell everyone that nothing more will come; refuse new ones."""
        self.ended = error
        self.interrupt(error)

    def restart(self, newest: Mark, error: DomainError) -> None:
        """Go on from another mark, for the log did; end everyone with an error."""
        self.newest = self._start = newest
        self._recent.clear()
        self.interrupt(error)

    def interrupt(self, error: DomainError) -> None:
        """End everyone with an error; they may come back."""
        self._moved.set()
        for attached in self._attached:
            attached.end(error)


def _place(change: Change) -> Mark:
    """Return the mark right after a change, be it amid its unit."""
    return Mark(change.revision, change.task.update_time)

"""One watch: a snapshot at one revision, then every change after it.

A watch is in one of three phases, and leaves each only forwards, but for the
last two, between which it may move to and fro:

    snapshot --> behind: reads the log at its own pace
                   ^ |
     buffer full   | v  caught up
                 live: is handed each commit's matches as they happen

A slow watcher so costs a bounded buffer, and nobody waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from idstatus_server import access
from idstatus_server.alarm import Alarm
from idstatus_server.errors import (
    DomainError,
    RevisionCompactedError,
    RevisionInFutureError,
    StreamAgedError,
    TaskNotFoundError,
)
from idstatus_server.model import Change, Filter, Kind, Mark, Task
from idstatus_server.store.base import Page
from idstatus_server.watch.feed import Delivery, Feed, Feeds, FilterSelection, IdsSelection
from idstatus_server.watch.hub import Hub

# Tasks in one page of a snapshot, and changes in one read of the log: what the
# event loop can do without keeping others waiting.
_PAGE = 200
# Changes that may wait for a live watcher before it is sent to read the log.
_BUFFER = 2000


class Position(NamedTuple):
    """How far a watch has come, as a resume token says it.

    Everything up to ``mark`` is known; but with ``after`` set, a snapshot at that mark is
    under way, and only its tasks up to that ``seq`` are known.
    """

    mark: Mark
    after: int = 0


class Batch(NamedTuple):
    """What comes next, and where the watch then is. No changes: a bookmark.

    ``deliveries`` are changes that others are told of, too; then nothing else is ``found``.
    """

    found: Sequence[Change]
    position: Position
    snapshot_complete: bool = False
    done: bool = False
    deliveries: Sequence[Delivery] = ()

    @property
    def changes(self) -> Sequence[Change]:
        """What comes next, one by one; most often it is enough to look at the deliveries."""
        if not self.deliveries:
            return self.found
        return [change for delivery in self.deliveries for change in delivery.changes]


class WatchOptions(NamedTuple):
    """What to watch: ids or a filter; from where; ``max_age`` is in seconds.

    Of ids, those that do not match the filter when the watch begins are as if they were not.
    """

    ids: Sequence[str] = ()
    wanted: Filter = Filter()
    resume: Position | None = None
    skip_snapshot: bool = False
    follow_retries: bool = False
    max_age: float = float("inf")


class Watch:
    """Call ``next`` until a batch is done or an error is raised, then ``close``."""

    def __init__(self, hub: Hub, feeds: Feeds, options: WatchOptions) -> None:
        self._hub = hub
        self._feeds = feeds
        self._options = options
        self._selection: FilterSelection | IdsSelection = (
            IdsSelection(options.ids, options.wanted, retries=options.follow_retries)
            if options.ids
            else FilterSelection(options.wanted)
        )
        self._position = options.resume or Position(hub.newest)
        self._snapshot = self._position.after > 0 or not (options.resume or options.skip_snapshot)
        self._greeted = False
        self._named: list[Task] | None = None
        self._feed: Feed | None = None
        self._buffer: deque[Delivery] = deque()
        self._buffered = 0
        self._wake: asyncio.Future[None] | None = None
        self._ended: DomainError | None = None
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._wake_up)
        self._dies = self._loop.time() + options.max_age

    @property
    def phase(self) -> str:
        """Which of its phases it is in."""
        return "snapshot" if self._snapshot else "live" if self._feed else "behind"

    @property
    def lag(self) -> int:
        """How many revisions it has yet to look at; when live, only if something waits for it."""
        if self._feed and not self._buffer:
            return 0
        return max(0, self._hub.newest.revision - self._position.mark.revision)

    async def start(self) -> None:
        """Check where to start from.

        Raises:
            RevisionInFutureError, RevisionCompactedError: the token's revision is not there.
            TaskNotFoundError: a named task does not exist.
        """
        self._hub.attach(self)
        self._hub.watchers.add(self)
        newest, oldest = await self._hub.store.head()
        if self._position.mark.revision > newest.revision:
            raise RevisionInFutureError(self._position.mark.revision, newest.revision)
        if self._position.mark.revision < oldest:  # the hub may remember more than the log keeps
            raise RevisionCompactedError(self._position.mark.revision, oldest)
        if not self._options.resume:
            self._position = Position(newest)
        await self._reach()
        await self._hub.read(self._position.mark, 1)  # refuses what is not there any more
        if isinstance(self._selection, IdsSelection):
            self._named = await self._load_named(self._selection)

    async def next(self, patience: float) -> Batch:
        """Return what comes next, or a bookmark when ``patience`` seconds are over.

        Raises:
            DomainError: the watch has ended; it can be resumed from the last position.
        """
        ends = self._loop.time() + patience
        while True:
            now = self._check()
            if not self._feed:
                batch = await self._advance(ends)
                if batch:
                    self._greeted = True
                    return batch
            elif self._buffer:
                return self._take()
            elif now >= ends:
                self._position = Position(self._hub.newest)
                return Batch((), self._position)
            else:
                await self._sleep(min(ends, self._dies))

    def _check(self) -> float:
        """Return the time, or raise what ends the watch: the hub's end, or its own age."""
        if self._ended:
            raise self._ended
        now = self._loop.time()
        if now >= self._dies:
            raise StreamAgedError
        return now

    async def _reach(self) -> None:
        """Return once the hub stands where we do, or past it; another process was ahead of us."""
        while self._hub.newest.revision < self._position.mark.revision:
            self._check()
            await self._hub.moved()

    async def _pause(self, ends: float) -> bool:
        """Let others run amid a long search; tell whether it is time for a bookmark."""
        await asyncio.sleep(0)
        return self._check() >= ends

    async def _advance(self, ends: float) -> Batch | None:
        """Return what there is to send, or None once the watch is live."""
        if self._snapshot:
            return await self._next_page(ends)
        return await self._catch_up(ends)

    # -- snapshot

    async def _next_page(self, ends: float) -> Batch:
        """Return the next part of the state at the snapshot's revision."""
        mark, after = self._position
        tasks: list[Task] = []
        late = False
        while not tasks and not late:
            tasks, after = await self._page(mark.revision, after)
            late = await self._pause(ends)
            if not after:
                break
        self._snapshot = after > 0
        self._position = Position(mark, after)
        changes = [
            Change(revision=task.revision, unit=task.seq, kind=Kind.SNAPSHOT, task=task)
            for task in tasks
        ]
        complete = not self._snapshot
        if complete:
            self._named = None
        done = complete and self._selection.done
        return Batch(changes, self._position, snapshot_complete=complete, done=done)

    async def _page(self, revision: int, after: int) -> tuple[list[Task], int]:
        """Return the next tasks that match, and the ``seq`` to go on from, 0 at the end."""
        if self._named is not None:
            rest = [task for task in self._named if task.seq > after]
            page = rest[:_PAGE]
            return page, page[-1].seq if len(rest) > _PAGE else 0
        wanted = self._options.wanted
        tasks, after = await self._hub.store.find_at(revision, wanted, Page(after, _PAGE))
        return [task for task in tasks if wanted.matches(task)], after

    async def _load_named(self, selection: IdsSelection) -> list[Task]:
        """Return the named tasks, and the retries that are followed, as they stood."""
        revision = self._position.mark.revision
        matches = self._options.wanted.matches
        wanted = list(selection.ids)
        named: list[Task] = []
        while wanted:
            there = await self._hub.store.tasks_at(revision, wanted)
            found = {task_id: task for task_id, task in there.items() if matches(task)}
            named += found.values()
            missing = [task_id for task_id in wanted if task_id not in found]
            retries = [selection.saw(task) for task in found.values()]
            retries += await self._miss(selection, missing, hidden=there.keys() - found.keys())
            wanted = [task_id for task_id in retries if task_id]
        return sorted(named, key=lambda task: task.seq)

    async def _miss(
        self, selection: IdsSelection, missing: Sequence[str], hidden: AbstractSet[str]
    ) -> Sequence[str | None]:
        """Deal with tasks that were not there, or are hidden; return the retries of those deleted.

        Raises:
            TaskNotFoundError: one that was asked for never was, or is not there to begin with.
        """
        scope = self._options.wanted.scope
        deleted = {
            task_id: kept.retried_by
            for task_id, kept in (await self._hub.store.deleted(missing)).items()
            if access.matches(scope, kept.queue)
        }
        later = await self._hub.store.tasks(missing)  # than the token's revision
        matches = self._options.wanted.matches
        hidden = hidden | {task_id for task_id, task in later.items() if not matches(task)}
        known = (deleted.keys() | later.keys()) - hidden if self._options.resume else set()
        for task_id in missing:
            if task_id in self._options.ids and task_id not in known:
                raise TaskNotFoundError(task_id)
        gone = {**deleted, **dict.fromkeys(hidden, "")}
        return [selection.gone(task_id, retry) for task_id, retry in gone.items()]

    # -- behind

    async def _catch_up(self, ends: float) -> Batch | None:
        """Read on in the log; at its end, go live."""
        while self._position.mark != self._hub.newest:
            changes = await self._hub.read(self._position.mark, _PAGE)
            if not changes:  # the hub stands where we do, or is to come here yet
                if self._position.mark.revision == self._hub.newest.revision:
                    break
                await self._reach()
                continue
            missed = self._feeds.missed(self._selection, self._position.mark, changes)
            self._position = Position(missed.mark)
            if missed.changes:
                return Batch((), self._position, deliveries=(missed,))
            if await self._pause(ends):
                return Batch((), self._position)
        if self._selection.done:
            return Batch((), self._position, done=True)
        self._feed = self._feeds.join(self, self._selection)
        # Who has been told nothing yet is told that the watch is in place.
        return None if self._greeted else Batch((), self._position)

    # -- live

    def push(self, delivery: Delivery) -> None:
        """Take what is new, or fall behind if too much waits already."""
        self._buffer.append(delivery)
        self._buffered += len(delivery.changes)
        if self._buffered > _BUFFER:
            self._leave_feed()
        self._wake_up()

    def end(self, error: DomainError) -> None:
        """Take note that nothing more will come."""
        self._ended = error
        self._wake_up()

    def _take(self) -> Batch:
        """Return everything that waits."""
        deliveries = list(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        self._position = Position(deliveries[-1].mark)
        return Batch((), self._position, done=self._selection.done, deliveries=deliveries)

    async def _sleep(self, until: float) -> None:
        """Wait for news, but no longer than until then."""
        self._wake = self._loop.create_future()
        self._alarm.set(until)
        await self._wake

    def _wake_up(self) -> None:
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    def _leave_feed(self) -> None:
        if self._feed:
            self._feeds.leave(self._feed, self, self._selection)
        self._feed = None
        self._buffer.clear()
        self._buffered = 0

    def close(self) -> None:
        """Let go of everything."""
        self._alarm.close()
        self._hub.detach(self)
        self._hub.watchers.discard(self)
        self._leave_feed()

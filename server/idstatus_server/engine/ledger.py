"""The ledger: the one place where anything is written.

One commit is under way at a time. While it is, new commands gather; the next
commit takes them all (group commit). A lone caller's command is committed at once.
If there are several, the commit waits for a pause in their arrival: else they would
keep in step with the commits, one or two in each, and a commit costs as much as
handling several calls.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from itertools import accumulate
from typing import Any, Protocol, TypeVar

from idstatus_server.access import caller
from idstatus_server.engine.claimable import amounts, in_vain
from idstatus_server.engine.draft import Draft
from idstatus_server.errors import DomainError, OverloadedError, StoreUnavailableError
from idstatus_server.model import Change, Mark
from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.store.base import Needs, Store, Transaction
from idstatus_server.tracing import MOST_TASKS, NO_SPAN, NO_TRACER, Span, Tracer, current

R_co = TypeVar("R_co", covariant=True)

_log = logging.getLogger(__name__)

# When the caller must have its answer, by the monotonic clock.
deadline = ContextVar("deadline", default=math.inf)

# Items in one commit: enough to make the disk's part small, few enough to keep
# the event loop free for others.
_COMMIT_WEIGHT = 1000
# No commit waits for more once it has so many: its own cost is nothing beside theirs.
_ENOUGH = 100
# What counts as a pause in the arrival of commands, and how long to wait for one, in seconds.
# The event loop's timers go by the millisecond.
_PAUSE, _PATIENCE = 0.001, 0.005

# How much longer than the last commit the next one may take, with the answers after it.
_MARGIN = 1.5

# Tasks that may be loaded for claims in vain. Past that, to count first what is there costs
# less, though it is another question to the store.
_IN_VAIN = 100


class Command(Protocol[R_co]):
    """A request to change something."""

    @property
    def weight(self) -> int:
        """How many tasks it touches at most."""
        ...

    def needs(self) -> Needs:
        """Return what must be loaded before it can decide."""
        ...

    def decide(self, draft: Draft) -> R_co:
        """Make its changes in the draft and return its answer, or refuse.

        Raises:
            DomainError: it is refused, and has changed nothing.
        """
        ...


class _Pending:
    __slots__ = ("answer", "caller", "changes", "command", "deadline", "outcome", "span", "waiting")

    def __init__(self, command: Command[Any], answer: asyncio.Future[Any]) -> None:
        self.command = command
        self.answer = answer
        self.deadline = deadline.get()
        self.caller = caller.get()
        self.span = current.get()
        self.waiting = self.span.child("ledger.wait")
        self.outcome: Any = None
        self.changes: Sequence[Change] = ()


class Ledger:
    """Takes commands and commits them.

    ``publish`` is called with the changes of each commit and the mark before them, in
    order, after they are on disk and before their commands are answered. ``outages``
    counts the commits that the store could not take. The ``observer`` and the ``tracer`` are told
    of all commits.
    """

    def __init__(
        self,
        store: Store,
        publish: Callable[[Mark, Sequence[Change]], None],
        max_pending: int,
        observer: Observer = UNOBSERVED,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._store = store
        self._publish = publish
        self._max_pending = max_pending
        self._observer = observer
        self._tracer = tracer
        self._waiting: deque[_Pending] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._took = 0.0
        self.outages = 0
        self._worker = asyncio.create_task(self._work(), name="ledger")

    async def submit(self, command: Command[R_co]) -> R_co:
        """Commit the command's changes and return its answer.

        Raises:
            DomainError: the command was refused.
            OverloadedError: too many commands wait, or this one for too long.
            StoreUnavailableError: the store cannot write now.
        """
        if self._closed:
            raise StoreUnavailableError("the server has closed its store")
        if len(self._waiting) >= self._max_pending:
            raise OverloadedError(
                f"{self._max_pending} writes are waiting already", limit=self._max_pending
            )
        answer: asyncio.Future[R_co] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Pending(command, answer))
        self._arrived.set()
        return await answer

    @property
    def pending(self) -> int:
        """How many commands wait for a commit."""
        return len(self._waiting)

    async def failed(self) -> None:
        """Return once the ledger has stopped, or raise the bug that has stopped it."""
        await asyncio.shield(self._worker)

    async def close(self, patience: float) -> None:
        """Commit what waits, but for no longer than ``patience`` seconds, then stop."""
        self._closed = True
        self._arrived.set()
        try:
            async with asyncio.timeout(patience):
                await asyncio.shield(self._worker)
        except TimeoutError:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._refuse_waiting(StoreUnavailableError("the server has closed its store"))

    async def _work(self) -> None:
        alone = True
        while self._waiting or not self._closed:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            if not alone or len(self._waiting) > 1:
                await self._pause()
            batch = self._gather()
            alone = len(batch) == 1
            if batch:
                began = time.monotonic()
                await self._settle(batch)
                self._took = time.monotonic() - began

    async def _pause(self) -> None:
        """Wait for a pause in the arrival of commands, but not for long, and not for many."""
        ends = time.monotonic() + _PATIENCE
        arrived = 0
        while arrived < len(self._waiting) and time.monotonic() < ends and not self._enough():
            arrived = len(self._waiting)
            await asyncio.sleep(_PAUSE)

    def _enough(self) -> bool:
        waiting = self._waiting
        return len(waiting) >= _ENOUGH or sum(p.command.weight for p in waiting) >= _ENOUGH

    def _refuse_waiting(self, error: DomainError) -> None:
        waiting, self._waiting = self._waiting, deque()
        _refuse(waiting, error)

    def _gather(self) -> list[_Pending]:
        """Take what waits, up to a commit's weight, but for those whose caller has gone.

        If more waits than that, those whose caller would be gone by the end of the commit are
        refused: served in turn, each would be served too late, and nobody in time.
        """
        batch: list[_Pending] = []
        weight = 0
        soonest = time.monotonic() + self._took * _MARGIN if self._crowded() else 0.0
        while self._waiting and weight < _COMMIT_WEIGHT:
            pending = self._waiting.popleft()
            pending.waiting.end()
            if pending.answer.done():
                continue
            if pending.deadline < soonest:
                _refuse([pending], OverloadedError("too many writes wait for a commit"))
                continue
            batch.append(pending)
            weight += pending.command.weight
        return batch

    def _crowded(self) -> bool:
        """Tell whether more waits than fits in a commit."""
        weights = accumulate(pending.command.weight for pending in self._waiting)
        return any(weight > _COMMIT_WEIGHT for weight in weights)

    async def _settle(self, batch: list[_Pending]) -> None:
        """Commit a batch and answer it, whatever happens."""
        began = time.monotonic()
        with self._tracer.commit([pending.span for pending in batch]) as span:
            try:
                before, changes = await self._commit(batch, span)
            except DomainError as error:
                self.outages += 1
                self._observer.store_failed("commit", error)
                span.failed(error)
                _refuse(batch, error)
                self._refuse_waiting(error)  # they would wait for the same, commit after commit
            except Exception as error:  # noqa: BLE001  # the callers must hear of it
                _log.exception("a commit failed")
                span.failed(error)
                _refuse(batch, error)
            else:
                if changes is not None:
                    self._observer.committed(len(batch), changes, time.monotonic() - began)
                if changes:
                    span.note(changes=len(changes), revision=changes[-1].revision)
                    self._publish(before, changes)
                for pending in batch:
                    _trace(pending)
                    _answer(pending)

    async def _commit(
        self, batch: list[_Pending], span: Span
    ) -> tuple[Mark, Sequence[Change] | None]:
        """Return the mark before the commit and its changes, None if nothing was to be written."""
        with span.child("store.transaction"):
            async with self._store.transaction() as transaction:
                draft = await self._load(transaction, batch)
                for pending in batch:
                    _decide(pending, draft)
                writes = draft.writes()
                if writes is None:
                    return transaction.head, None
                await transaction.commit(writes)
                return transaction.head, writes.changes

    async def _load(self, transaction: Transaction, batch: list[_Pending]) -> Draft:
        needs = [pending.command.needs() for pending in batch]
        claims = [need.claims for need in needs if need.claims]
        wanted = _union(needs)
        count_first = in_vain(claims, wanted.claims) > _IN_VAIN
        if count_first:
            wanted = wanted._replace(claims=dict.fromkeys(wanted.claims, 0))
        loaded = await transaction.load(wanted)
        more = Needs(
            claims=amounts(claims, loaded) if count_first else {},
            recalled=frozenset(i for known in loaded.answers.values() for i in known.answer.ids),
        )
        if more.claims or more.recalled:
            found = await transaction.load(more)
            loaded = loaded._replace(
                claimable={**loaded.claimable, **found.claimable}, recalled=found.recalled
            )
        # Time never runs backwards in the store, even if the clock does.
        return Draft(transaction.head.revision, max(transaction.now, transaction.time), loaded)


def _union(needs: Sequence[Needs]) -> Needs:
    if len(needs) == 1:
        return needs[0]
    ids = frozenset[str]().union(*(need.ids for need in needs))
    claims: dict[str, int] = {}
    for need in needs:
        for queue, tasks in need.claims.items():
            # A claim looks past the tasks that other commands of the commit may take away.
            claims[queue] = claims.get(queue, len(ids)) + tasks
    return Needs(
        ids=ids,
        unique_keys=frozenset().union(*(need.unique_keys for need in needs)),
        request_ids=frozenset().union(*(need.request_ids for need in needs)),
        queues=frozenset().union(*(need.queues for need in needs)),
        claims=claims,
    )


def _decide(pending: _Pending, draft: Draft) -> None:
    """Let a command make its changes in the draft; one that fails is refused alone."""
    made = len(draft.changes)
    try:
        with draft.attempt(pending.caller, pending.span.traceparent):
            pending.outcome = pending.command.decide(draft)
    except DomainError as error:
        pending.outcome = error
    except Exception as error:  # noqa: BLE001  # it refuses alone
        _log.exception("a command failed")
        pending.outcome = error
    pending.changes = draft.changes[made:]


def _trace(pending: _Pending) -> None:
    """Let a command's span name the tasks that it has changed, with what made and claimed them."""
    if pending.span is NO_SPAN:
        return
    changes = pending.changes[:MOST_TASKS]
    befores = [change.before for change in changes if change.before]
    pending.span.changed(*(change.task.id for change in changes))
    pending.span.link(*(task.created_in for task in befores))
    pending.span.link(*(task.claimed_in for task in befores))


def _answer(pending: _Pending) -> None:
    if pending.answer.done():
        return
    if isinstance(pending.outcome, Exception):
        pending.answer.set_exception(pending.outcome)
    else:
        pending.answer.set_result(pending.outcome)


def _refuse(batch: Iterable[_Pending], error: Exception) -> None:
    for pending in batch:
        pending.waiting.end()
        pending.outcome = error
        _answer(pending)

"""The server with a fault that can be switched on, to prove that the checker finds it.

    python broken.py FILE [what idstatus-server takes]

FILE holds the name of the fault. It is read, and deleted, when the server starts and at each
SIGUSR1. Each fault replaces one thing of the real server.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from idstatus_server import __main__ as server
from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Cancel, Create, duty, finish
from idstatus_server.engine.commands.claim import Claim
from idstatus_server.engine.commands.duty import MakeDue
from idstatus_server.engine.draft import Draft
from idstatus_server.errors import StoreUnavailableError
from idstatus_server.lifecycle import Event, Reason, State, Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Kind, Mark, Task, replace
from idstatus_server.store.base import Needs
from idstatus_server.store.sqlite import SqliteStore, opening
from idstatus_server.watch.feed import FilterSelection
from idstatus_server.watch.watch import Batch, Position, Watch

# A fault shows now and then: one that is always there is found by anybody.
OFTEN, SELDOM = 2, 8


_replaced: list[tuple[Any, str, Any]] = []


def put(owner: Any, name: str, value: Any) -> None:
    """Put something in the place of what the real server has."""
    _replaced.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def every(times: int) -> Callable[[], bool]:
    """Return what is true each time it was asked so often."""
    asked = count(1)
    return lambda: next(asked) % times == 0


# -- the store


def lost_fsync() -> None:
    """The disk says that it wrote what it did not: after a kill, the end of the log is gone."""
    connect, open_writer = opening.connect, opening.open_writer

    def lazy(path: str) -> Any:
        db = connect(path)
        db.execute("PRAGMA wal_autocheckpoint = 0")  # all that is new lies in the log
        return db

    def after_a_kill(path: str) -> Any:
        log = Path(f"{path}-wal")
        if log.exists():
            os.truncate(log, log.stat().st_size * 9 // 10)
        return open_writer(path)

    put(opening, "connect", lazy)
    put(opening, "open_writer", after_a_kill)


def stale_read() -> None:
    """A read may show a task as it was in the beginning."""
    tasks, now = SqliteStore.tasks, every(OFTEN)

    async def stale(self: SqliteStore, ids: Sequence[str]) -> dict[str, Task]:
        found = await tasks(self, ids)
        return {i: task.as_created() if now() else task for i, task in found.items()}

    put(SqliteStore, "tasks", stale)


# -- the engine


def claim_without_guard() -> None:
    """A claim may hand out a task that it saw waiting, though another got it meanwhile."""
    lease_out, seen = Claim._lease_out, list[tuple[Draft, Task]]()
    now = every(OFTEN)

    def blind(self: Claim, draft: Draft, task: Task) -> Task:
        others = [waiting for of, waiting in seen if of is not draft]
        seen.append((draft, task))
        del seen[:-5]
        return lease_out(self, draft, others[-1] if others and now() else task)

    put(Claim, "_lease_out", blind)


def lost_extension() -> None:
    """An extension of a lease is told and not kept."""
    update = Draft.update

    def forget(self: Draft, task: Task, **fields: object) -> Task:
        fields.pop("lease_expire_time", None)
        return update(self, task, **fields)

    put(Draft, "update", forget)
    put(Draft, "save", lambda _, task, **__: task)


def due_early() -> None:
    """A delayed task is queued before its time."""
    awake = SqliteStore.awake

    async def hasty(self: SqliteStore, status: Status, now: int, limit: int) -> list[Task]:
        early = now + SECOND if status is Status.DELAYED else now
        return await awake(self, status, early, limit)

    def queue_all(self: MakeDue, draft: Draft) -> int:
        due = self._present(draft, Status.DELAYED)
        for task in due:
            draft.move(task, Event.DUE, "server")
        return len(due)

    put(SqliteStore, "awake", hasty)
    put(MakeDue, "decide", queue_all)


def second_end() -> None:
    """A task that has ended can be cancelled all the same."""
    require = Draft.require

    def lenient(self: Draft, task: Task, event: Event, reason: Reason = Reason.NONE) -> State:
        if event is Event.CANCEL:
            return State(Status.CANCELLED, Reason.CLIENT_REQUEST, task.execution)
        return require(self, task, event, reason)

    put(Draft, "require", lenient)


def forgotten_request() -> None:
    """An answer is lost now and then, and its request is not known again."""
    submit, now = Ledger.submit, every(SELDOM)

    async def lossy(self: Ledger, command: Any) -> Any:
        answer = await submit(self, command)
        if isinstance(command, Create) and now():
            raise StoreUnavailableError("the answer was lost")
        return answer

    put(Ledger, "submit", lossy)
    put(Draft, "remember", lambda *_: None)


def lost_retry() -> None:
    """An error does without its automatic retry."""

    def give_up(
        draft: Draft, task: Task, event: Event, actor: str, reason: Reason, **fields: object
    ) -> Task:
        return draft.move(task, event, actor, reason, **fields)

    for module in (finish, duty):
        put(module, "fail", give_up)


def stray_cancel() -> None:
    """A cancellation strikes the newest task as well."""
    create, needs, decide = Create.decide, Cancel.needs, Cancel.decide
    newest, now = [""], every(OFTEN)

    def noting(self: Create, draft: Draft) -> list[Task]:
        tasks = create(self, draft)
        newest[0] = tasks[-1].id
        return tasks

    def needs_more(self: Cancel) -> Needs:
        wanted = needs(self)
        return wanted._replace(ids=wanted.ids | {newest[0]})

    def strike(self: Cancel, draft: Draft) -> Task:
        task = decide(self, draft)
        if now() and draft.status(newest[0]) is Status.QUEUED:
            draft.move(draft.task(newest[0]), Event.CANCEL, "client", Reason.CLIENT_REQUEST)
        return task

    put(Create, "decide", noting)
    put(Cancel, "needs", needs_more)
    put(Cancel, "decide", strike)


# -- the hub and its watches


def rewriting(rewrite: Callable[[Batch], list[Batch]]) -> None:
    """Replace the batches of changes that a watch sends."""
    real = Watch.next

    async def next_one(self: Any, patience: float) -> Batch:
        if not self.__dict__.setdefault("rest", []):
            batch = await real(self, patience)
            is_live = batch.changes and batch.changes[0].kind is not Kind.SNAPSHOT
            whole = batch._replace(found=batch.changes, deliveries=())
            self.rest = rewrite(whole) if is_live else [batch]
        return self.rest.pop(0)  # type: ignore[no-any-return]

    put(Watch, "next", next_one)


def now_and_then(rewrite: Callable[[Batch], list[Batch]], times: int = SELDOM) -> None:
    """Replace one batch of so many."""
    now = every(times)
    rewriting(lambda batch: rewrite(batch) if now() else [batch])


def skipped_change() -> None:
    """The hub skips a change."""
    now_and_then(lambda batch: [batch._replace(found=batch.found[:-1])])


def repeated_change() -> None:
    """The hub sends a change again."""
    now_and_then(lambda batch: [batch, batch])


def disorder() -> None:
    """The hub sends changes in another order."""
    now_and_then(lambda batch: [batch._replace(found=batch.found[::-1])], times=1)


def split_pair() -> None:
    """The hub sends what was committed together one by one, each with a token of its own."""

    def alone(batch: Batch, change: Change) -> Batch:
        place = Position(Mark(change.revision, change.task.update_time))
        return batch._replace(found=[replace(change, unit=change.revision)], position=place)

    now_and_then(lambda batch: [alone(batch, change) for change in batch.found], times=1)


def bookmark_ahead() -> None:
    """A bookmark is sent before the changes that it stands for."""
    now_and_then(lambda batch: [batch._replace(found=()), batch])


def leaking_filter() -> None:
    """A filter lets through what does not match."""
    matches, now = FilterSelection.matches, every(SELDOM)

    def leaky(self: FilterSelection, change: Change) -> bool:
        return matches(self, change) or now()

    put(FilterSelection, "matches", leaky)


def filter_hides_the_last() -> None:
    """A filter does not show the change by which a task leaves it."""

    def forgetful(self: FilterSelection, change: Change) -> bool:
        return self.wanted.matches(change.task)

    put(FilterSelection, "matches", forgetful)


def resume_skips() -> None:
    """A watch that is resumed skips a change."""
    start, now = Watch.start, every(OFTEN)

    async def hasty(self: Watch) -> None:
        await start(self)
        if self._options.resume and not self._snapshot and now():
            for change in (await self._hub.read(self._position.mark, 1))[-1:]:
                self._position = Position(change.mark)

    put(Watch, "start", hasty)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        lost_fsync,
        stale_read,
        claim_without_guard,
        lost_extension,
        due_early,
        second_end,
        forgotten_request,
        lost_retry,
        stray_cancel,
        skipped_change,
        repeated_change,
        disorder,
        split_pair,
        bookmark_ahead,
        leaking_filter,
        filter_hides_the_last,
        resume_skips,
    )
}
NO_FAULT = "no-fault"


def switch(file: Path) -> None:
    """Undo the fault that is on, and switch on the one that the file names."""
    while _replaced:
        setattr(*_replaced.pop())
    fault = file.read_text()
    if fault != NO_FAULT:
        FAULTS[fault]()
    file.unlink()


if __name__ == "__main__":
    told = Path(sys.argv.pop(1))
    switch(told)
    signal.signal(signal.SIGUSR1, lambda *_: switch(told))
    server.main()

"""Faults of the hub and its watches, each a function that switches it on."""

from collections.abc import Callable
from typing import Any

from faults.switching import OFTEN, SELDOM, every, put

from idstatus_server.model import Change, Kind, Mark, replace
from idstatus_server.watch.feed import FilterSelection
from idstatus_server.watch.watch import Batch, Position, Watch


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


WATCH_FAULTS = (
    skipped_change,
    repeated_change,
    disorder,
    split_pair,
    bookmark_ahead,
    leaking_filter,
    filter_hides_the_last,
    resume_skips,
)

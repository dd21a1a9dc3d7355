"""What breaks a rule, and how rules are put."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import NamedTuple, TypeVar

from idstatus_server.errors import StoreDamagedError
from idstatus_server.store.base import Snapshot

T = TypeVar("T")


class Breach(NamedTuple):
    """A rule that a store breaks, where, and how."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return " ".join(f"{self.rule}: {self.where}: {self.what}".split())


Rule = Callable[[T], Iterable[str]]
"""Yields what is wrong with something; its own name is that of the rule."""


def judge(rules: Iterable[Rule[T]], case: T, where: str) -> Iterator[Breach]:
    """Yield each breach of the rules in a case."""
    for rule in rules:
        for what in rule(case):
            yield Breach(rule.__name__, where, what)


def rule(
    search: Callable[[Snapshot], AsyncIterator[tuple[str, str]]],
) -> Callable[[Snapshot], AsyncIterator[Breach]]:
    """Make a rule of what yields where it is broken in a store, and how; it keeps its name."""

    @wraps(search)
    async def breaches(snapshot: Snapshot) -> AsyncIterator[Breach]:
        async for where, what in search(snapshot):
            yield Breach(search.__name__, where, what)

    return breaches


def unreadable(where: str, error: StoreDamagedError) -> Breach:
    """Return the breach that lies in what cannot be read at all."""
    return Breach("all_can_be_read", where, error.metadata["damage"])


async def batched(rows: AsyncIterable[T], size: int) -> AsyncIterator[Sequence[T]]:
    """Yield the rows, so many at a time."""
    batch: list[T] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

"""What breaks a rule, and how rules are put."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from idstatus_server.errors import StoreDamagedError

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

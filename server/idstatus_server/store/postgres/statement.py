"""Puts several steps into one statement: what a commit costs is its round trips."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any


class Statement:
    """Steps that see one state of the database and do not touch each other's rows."""

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._parameters: list[object] = []

    def add(self, sql: str, *parameters: object) -> None:
        """Add a step; its parameters are $1, $2 …, as if it stood alone."""
        self._steps.append(_shifted(sql, len(self._parameters)))
        self._parameters += parameters

    def add_rows(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Add a step whose parameters are the columns of rows; none if there are no rows."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns:
            self.add(sql, *columns)

    async def fetch(self, db: Any) -> Sequence[Any]:
        """Run queries of the same columns, and return the rows of all."""
        return await self._run(db, " UNION ALL ".join(self._steps))

    async def execute(self, db: Any) -> None:
        """Run inserts, updates and deletes; the last step may be a query."""
        *first, last = self._steps or ("",)
        named = ", ".join(f"step{number} AS ({step})" for number, step in enumerate(first))
        await self._run(db, f"WITH {named} {last}" if named else last)

    async def _run(self, db: Any, sql: str) -> Sequence[Any]:
        rows: Sequence[Any] = await db.fetch(sql, *self._parameters) if sql else ()
        return rows


@lru_cache(maxsize=512)
def _shifted(sql: str, by: int) -> str:
    """Return the SQL with all its parameters' numbers raised."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + by}", sql)

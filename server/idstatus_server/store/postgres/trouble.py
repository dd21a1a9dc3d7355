"""The database's own trouble: one that is out of reach, and one that is damaged."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from idstatus_server.errors import StoreDamagedError, StoreUnavailableError
from idstatus_server.store.postgres.hosts import OUT_OF_REACH, in_one_line

# What says that the database does not hold what was written to it.
_DAMAGED = (
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
    asyncpg.InvalidTextRepresentationError,  # a document that is no JSON: we send none as text
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into the domain's, at the driver's own door."""
    try:
        yield
    except _DAMAGED as error:
        raise StoreDamagedError(in_one_line(error)) from error
    except OUT_OF_REACH as error:
        raise StoreUnavailableError(
            f"the database cannot be used: {in_one_line(error)}", cause=error
        ) from error

"""Finds out what became of a commit whose answer was lost on the way."""

import asyncio
import time

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.model import Change
from idstatus_server.store.postgres.hosts import LOST, PATIENCE, connect, in_one_line
from idstatus_server.store.postgres.locking import BEGIN, HOLD_HEAD, begun
from idstatus_server.store.rows import document

# Between two attempts, in seconds.
_PAUSE = 0.2
_TOUCH = "UPDATE idstatus.head SET revision = revision"
_WRITTEN = "SELECT true FROM idstatus.log WHERE revision = $1 AND after = $2"


async def was_committed(url: str, last: Change) -> bool:
    """Tell whether a commit is in the log, by its last change.

    Raises:
        StoreUnavailableError: the database stays out of reach.
    """
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return await _look(url, last)
        except LOST as error:
            if time.monotonic() > ends:
                raise StoreUnavailableError(
                    "the database went away amid a commit, and it is not known whether it was "
                    "made: repeat the call with the same request_id",
                    cause=in_one_line(error),
                ) from error
            await asyncio.sleep(_PAUSE)


async def _look(url: str, last: Change) -> bool:
    """Look for the change while nobody writes.

    The commit held the head: once we hold it, that commit has ended in one way or the other.
    We write and commit, too, so that a synchronous standby has what comes before us.
    """
    db = await connect(url)
    try:
        async with begun(db, BEGIN):
            await db.execute(HOLD_HEAD)
            await db.execute(_TOUCH)
            found = await db.fetchval(_WRITTEN, last.revision, document(last.task))
            await db.execute("COMMIT")
            return bool(found)
    finally:
        db.terminate()

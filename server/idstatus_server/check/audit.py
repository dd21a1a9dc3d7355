"""All that is checked, part by part."""

from collections.abc import AsyncIterator

from idstatus_server.check.breach import Breach, unreadable
from idstatus_server.check.history import check_history, deleted_ids_stay_used
from idstatus_server.check.log import check_log
from idstatus_server.check.tables import TABLE_RULES
from idstatus_server.check.tasks import check_tasks
from idstatus_server.errors import StoreDamagedError
from idstatus_server.store.base import Snapshot

_TOTALS = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM log), revision FROM head"


async def check_file(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Yield what the database itself finds wrong with its file."""
    async for said in snapshot.damage():
        yield Breach("file_is_whole", "database", said)


PARTS = (
    check_file,
    check_log,
    check_history,
    deleted_ids_stay_used,
    check_tasks,
    *TABLE_RULES,
)


async def audit(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Yield all breaches; what cannot be read is one, and the other parts are checked all the same.

    Raises:
        StoreUnavailableError: the database has gone away meanwhile.
    """
    for part in PARTS:
        try:
            async for breach in part(snapshot):
                yield breach
        except StoreDamagedError as error:
            yield unreadable(part.__name__, error)


async def totals(snapshot: Snapshot) -> str:
    """Return in words how much a sound store holds."""
    ((tasks, changes, newest),) = [row async for row in snapshot.rows(_TOTALS)]
    return f"{tasks} tasks, {changes} changes up to revision {newest}"

"""Documents that cannot be read, in both databases: each is named, and the others are served."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from check.scene import DAMAGED, SINCE_1970, execute, play
from rpc.wire import Api, refused
from watch.sites import Site

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t


@pytest.fixture
async def on_either(url: str, tmp_path: Path) -> Any:
    """A server, not yet started, on a store in which everything has happened."""
    await play(url)
    server = ServerProcess(tmp_path, store=url)
    yield server
    server.kill()


DOCUMENTS: dict[str, tuple[str, Callable[[Api], Awaitable[Any]]]] = {
    "a task": ("UPDATE tasks SET doc = '{' WHERE id = 'held'", lambda api: api.get("held")),
    "a task without a field": (
        "UPDATE tasks SET doc = replace(doc, '\"queue\"', '\"queux\"') WHERE id = 'held'",
        lambda api: api.get("held"),
    ),
    "a task in no status": (
        "UPDATE tasks SET doc = replace(doc, '\"status\":4', '\"status\":9') WHERE id = 'done'",
        lambda api: api.status("done"),
    ),
    "a task with another label": (
        "UPDATE tasks SET doc = replace(doc, 'red', 'rod') WHERE id = 'held'",
        lambda api: api.get("held"),
    ),
    "a payload": (
        "UPDATE payloads SET data = substr(data, 2)",
        lambda api: api.get("held", view=m.TASK_VIEW_FULL),
    ),
    "a result": (
        "UPDATE results SET data = substr(data, 2)",
        lambda api: api.get("done", view=m.TASK_VIEW_FULL),
    ),
    "a payload that is handed out": (
        "UPDATE payloads SET data = substr(data, 2)",
        lambda api: api.claim("held"),
    ),
    "a listed task": ("UPDATE tasks SET doc = '' WHERE id = 'held'", lambda api: api.every()),
    "a task that is claimed": (
        "UPDATE tasks SET doc = 'null' WHERE id = 'held'",
        lambda api: api.claim("held"),
    ),
    "a task that is cancelled": (
        "UPDATE tasks SET doc = '[1]' WHERE id = 'held'",
        lambda api: api.cancel("held"),
    ),
    "a task by its time": (
        "UPDATE tasks SET doc = '{'",
        lambda api: api.page(filter=SINCE_1970),
    ),
    "a queue": ("UPDATE queues SET doc = '{' WHERE name = 'held'", lambda api: api.queue("held")),
    "an answer": (
        "UPDATE requests SET answer = '{' WHERE request_id = 'request-of-held'",
        lambda api: api.create("held", request_id="request-of-held"),
    ),
}


@pytest.mark.parametrize("what", DOCUMENTS)
async def test_a_document_that_cannot_be_read_is_named(on_either: ServerProcess, what: str) -> None:
    damage, call = DOCUMENTS[what]
    await execute(on_either.store, damage)
    on_either.start()
    async with Api.at(on_either.address) as api:
        refusal = await refused(call(api))
        assert refusal.kind == DAMAGED
        assert "the store is damaged" in refusal.message
        assert (await api.queue("late")).name == "late"  # the others are served
    on_either.kill()
    assert "Traceback" not in on_either.log.read_text()


@pytest.mark.parametrize("damage", ["after = '{'", "before = '{'", "kind = 77"])
async def test_a_watch_does_not_go_past_a_change_that_cannot_be_read(
    on_either: ServerProcess, damage: str
) -> None:
    on_either.start()
    async with Site(on_either.address) as site:
        token = (await site.read(t.WatchTasksRequest(), lambda read: read.complete)).token
        await site.create(queue="new")
        await site.cancel((await site.create(queue="new")).id)
    assert on_either.stop() == 0
    last = "(SELECT max(revision) FROM log)"
    await execute(on_either.store, f"UPDATE log SET {damage} WHERE revision = {last}")  # noqa: S608
    on_either.start()
    async with Site(on_either.address) as site:
        reading = await site.read(t.WatchTasksRequest(resume_token=token))
    assert reading.info.reason == "STORE_UNAVAILABLE"
    assert "the store is damaged" in (reading.error.details() or "" if reading.error else "")

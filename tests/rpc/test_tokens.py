"""Tokens: opaque, bound to their store, their use and their arguments."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile.forged import opened, sealed
from rpc.wire import Api, Refusal, names, outcome, refused, seconds, until

from harness import ServerProcess
from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

Start = Callable[..., ServerProcess]
INVALID = ("INVALID_ARGUMENT", "INVALID_TOKEN")


async def first_page(api: Api, queue: str, **fields: Any) -> t.ListTasksResponse:
    await api.create_many(3, queue)
    page = await api.page(filter=m.TaskFilter(queues=[queue]), page_size=1, **fields)
    assert page.next_page_token
    return page


async def resume_token(api: Api) -> str:
    """Return a token for now."""
    watch = api.tasks.WatchTasks(t.WatchTasksRequest(skip_snapshot=True))
    token = (await watch.read()).resume_token
    watch.cancel()
    return str(token)


def resume(api: Api, token: str) -> Any:
    """Return what comes first after a token."""
    request = t.WatchTasksRequest(resume_token=token, bookmark_interval=seconds(1))
    return api.tasks.WatchTasks(request).read()


GARBAGE = [
    "x",
    "not base64 at all!",
    "AAAA",
    "ünïcode",
    "A" * 5000,
    "=",
    "AAAAAAAAAAAAAAAAAAAAAAAA",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_no_token(api: Api, garbage: str) -> None:
    assert (await refused(api.page(page_token=garbage))).kind == INVALID
    assert (await refused(resume(api, garbage))).kind == INVALID
    queues = api.queues.ListQueues(q.ListQueuesRequest(page_token=garbage))
    assert (await refused(queues)).kind == INVALID


@pytest.mark.parametrize("at", [0, 5, 12, -2])
async def test_a_token_that_was_tampered_with_is_refused(api: Api, queue: str, at: int) -> None:
    token = (await first_page(api, queue)).next_page_token
    other = "A" if token[at] != "A" else "B"
    forged = token[:at] + other + token[at:][1:]
    wanted = m.TaskFilter(queues=[queue])
    assert (await refused(api.page(filter=wanted, page_size=1, page_token=forged))).kind == INVALID


@pytest.mark.parametrize(
    "changed",
    [
        {"filter": m.TaskFilter()},
        {"filter": None},
        {"order": t.LIST_ORDER_OLDEST_FIRST},
        {"view": m.TASK_VIEW_FULL},
    ],
    ids=["filter", "no filter", "order", "view"],
)
async def test_a_page_token_goes_with_the_arguments_it_was_given_for(
    api: Api, queue: str, changed: dict[str, Any]
) -> None:
    token = (await first_page(api, queue)).next_page_token
    same: dict[str, Any] = {"filter": m.TaskFilter(queues=[queue]), "page_token": token}
    assert (await refused(api.page(**{**same, **changed}))).kind == INVALID
    assert len((await api.page(**same, page_size=100)).tasks) == 2


async def test_a_token_is_good_for_its_own_method_only(api: Api, queue: str) -> None:
    await api.create(queue + "-b")
    page = (await first_page(api, queue)).next_page_token
    watch = await resume_token(api)
    queues = (await api.queues.ListQueues(q.ListQueuesRequest(page_size=1))).next_page_token
    assert queues
    for token in (page, queues):
        assert (await refused(resume(api, token))).kind == INVALID
    for token in (watch, queues):
        wanted = m.TaskFilter(queues=[queue])
        assert (await refused(api.page(filter=wanted, page_token=token))).kind == INVALID
    for token in (watch, page):
        call = api.queues.ListQueues(q.ListQueuesRequest(page_token=token))
        assert (await refused(call)).kind == INVALID


async def test_a_token_of_another_store_is_refused(api: Api, own: Api, queue: str) -> None:
    await own.create_many(2, queue)
    wanted = m.TaskFilter(queues=[queue])
    page = await own.page(filter=wanted, page_size=1)
    call = api.page(filter=wanted, page_token=page.next_page_token)
    assert (await refused(call)).kind == INVALID
    assert (await refused(resume(api, await resume_token(own)))).kind == INVALID


@pytest.mark.parametrize("name", [b"\xff", b"\xed\xa0\x80", b"a\0b", b"", b"Upper", b"q" * 65])
async def test_a_forged_token_of_no_name_is_refused(own: Api, queue: str, name: bytes) -> None:
    await own.create(queue)
    await own.create(queue + "-b")
    token = (await own.queues.ListQueues(q.ListQueuesRequest(page_size=1))).next_page_token
    forged = sealed(opened(token)[:9] + name)
    call = own.queues.ListQueues(q.ListQueuesRequest(page_token=forged))
    assert (await refused(call)).kind == INVALID


async def test_tokens_outlive_a_restart(server: ServerProcess, queue: str) -> None:
    wanted = m.TaskFilter(queues=[queue])
    async with Api.at(server.address) as api:
        created = await api.create_many(2, queue)
        page = await api.page(filter=wanted, page_size=1)
        watched = await resume_token(api)
        created.append(await api.create(queue))
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        rest = await api.page(filter=wanted, page_size=1, page_token=page.next_page_token)
        assert names(rest.tasks) == [created[0].id]
        message = await resume(api, watched)
        assert [change.id_status.id for change in message.changes] == [created[2].id]


async def test_a_token_older_than_the_log_is_out_of_range(start_server: Start, queue: str) -> None:
    server = start_server("--log-retention", "1s")
    async with Api.at(server.address) as api:
        await api.create(queue)
        old = await resume_token(api)
        last = await api.create(queue)
        passed = last.update_time.seconds + last.update_time.nanos / 1e9 + 1.0
    await until(lambda: is_past(passed))
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        refusal = await until(lambda: refusal_or_none(api, old))
        assert (refusal.code, refusal.reason) == ("OUT_OF_RANGE", "REVISION_COMPACTED")
        assert refusal.metadata == {"revision": "1", "oldest_revision": str(last.revision)}
        new = await resume_token(api)
        changed = await api.create(queue)
        message = await resume(api, new)
        assert [change.id_status.revision for change in message.changes] == [changed.revision]


async def is_past(instant: float) -> bool:
    return time.time() > instant


async def refusal_or_none(api: Api, token: str) -> Refusal | None:
    answer = await outcome(resume(api, token))
    return answer if isinstance(answer, Refusal) else None


@pytest.mark.sqlite
async def test_a_token_from_the_future_is_out_of_range(
    start_server: Start, tmp_path: Path, queue: str
) -> None:
    ahead = start_server()
    async with Api.at(ahead.address) as api:
        last = await api.create(queue)
    assert ahead.stop() == 0
    behind = tmp_path / "restored.db"
    shutil.copy(ahead.folder / "idstatus.db", behind)
    ahead.start()
    async with Api.at(ahead.address) as api:
        newest = await api.create(queue)
        token = await resume_token(api)
    restored = start_server("--store", f"sqlite:///{behind}")
    async with Api.at(restored.address) as api:
        refusal = await refused(resume(api, token))
    assert (refusal.code, refusal.reason) == ("OUT_OF_RANGE", "REVISION_IN_FUTURE")
    revisions = {"revision": str(newest.revision), "newest_revision": str(last.revision)}
    assert refusal.metadata == revisions

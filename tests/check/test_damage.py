"""Stores that are really damaged: each is noticed and named, and nothing of it is made up."""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from check.scene import DAMAGED, SINCE_1970, execute, play
from check.tools import backup, check, tool
from rpc.wire import Api, Refusal, new, outcome, refused
from watch.sites import Site

from harness import ServerProcess, sqlite_in
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

PAGE = 4096


async def queue_of_no_age(api: Api) -> Any:
    """Return a queue without what changes as time goes by."""
    queue = await api.queue("held")
    queue.ClearField("oldest_queued_age")
    return queue


Calls = dict[str, Callable[[Api], Awaitable[Any]]]
CALLS: Calls = {
    "get": lambda api: api.get("done", view=m.TASK_VIEW_FULL),
    "status": lambda api: api.status("held"),
    "list": lambda api: api.every(),
    "list of a queue": lambda api: api.every(filter=m.TaskFilter(queues=["late"])),
    "list of a chain": lambda api: api.every(filter=m.TaskFilter(root_id="failed")),
    "list of a time": lambda api: api.every(filter=SINCE_1970),
    "queue": queue_of_no_age,
    "taken id": lambda api: outcome(api.create("held", task_id="deleted")),
    "taken key": lambda api: outcome(api.create("held", unique_key="key")),
    "repeat": lambda api: outcome(api.batch(new("held"), request_id="request-of-held")),
    "nothing to claim": lambda api: api.claim("done"),
}


async def answers(address: str) -> dict[str, Any]:
    """Return what each call is answered, or how it is refused."""
    async with Api.at(address) as api:
        return {name: await outcome(call(api)) for name, call in CALLS.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at rest, all in one file."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(play(sqlite_in(folder)))
    return folder / "idstatus.db"


@pytest.fixture(scope="module")
def truth(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a server on the whole store answers."""
    folder = tmp_path_factory.mktemp("truth")
    shutil.copy(whole, folder)
    server = ServerProcess(folder, store=sqlite_in(folder)).start()
    found = asyncio.run(answers(server.address))
    assert server.stop() == 0
    return found


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """A copy of the store, to be damaged."""
    return Path(shutil.copy(whole, tmp_path))


@pytest.fixture
def server(path: Path) -> Iterator[ServerProcess]:
    """Serves from the store once it is started."""
    server = ServerProcess(path.parent, store=sqlite_in(path.parent))
    yield server
    server.kill()


def zeroed(page: bytearray) -> None:
    page[:] = bytes(PAGE)


def torn(page: bytearray) -> None:
    """Let its second half be one that was never written."""
    page[PAGE // 2 :] = bytes(PAGE // 2)


def overwritten(page: bytearray) -> None:
    page[:] = b"not a page of yours " * 204 + b"at all, but of mine."[:16]


def flipped(page: bytearray) -> None:
    """Turn the bits of its header."""
    for place in range(8):
        page[place] ^= 0xFF


def damage_page(path: Path, name: str, how: Callable[[bytearray], None]) -> None:
    """Damage the first page of a table or an index."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (number,) = db.execute(sql, (name,)).fetchone()
    data = bytearray(path.read_bytes())
    start = (number - 1) * PAGE
    page = data[start : start + PAGE]
    how(page)
    data[start : start + PAGE] = page
    path.write_bytes(data)


TABLES = ("tasks", "payloads", "results", "counts", "queues", "requests", "used_ids")
INDEXES = ("sqlite_autoindex_tasks_1", "tasks_listed", "tasks_awake", "tasks_root", "log_by_task")
PAGES = [(name, zeroed) for name in TABLES + INDEXES]
PAGES += [("tasks", overwritten), ("tasks", flipped), ("tasks_listed", flipped)]


@pytest.mark.sqlite
@pytest.mark.parametrize(("name", "how"), PAGES)
async def test_a_damaged_page_is_noticed_and_never_answered_from(
    server: ServerProcess,
    path: Path,
    truth: dict[str, Any],
    name: str,
    how: Callable[[bytearray], None],
) -> None:
    damage_page(path, name, how)
    server.start()
    for call, answer in (await answers(server.address)).items():
        if isinstance(answer, Refusal) and answer != truth[call]:
            assert answer.kind == DAMAGED, (call, answer)
            assert str(path) in answer.message
            assert "idstatus-server check" in answer.message
        else:
            assert answer == truth[call], call
    assert_told(server)


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["tasks", "queues", "requests", "counts"])
async def test_a_torn_page_is_noticed_by_the_check_and_no_bug_to_the_server(
    server: ServerProcess, path: Path, name: str
) -> None:
    """Rows of its lost half may be missed without a word; what is read is never called a bug."""
    damage_page(path, name, torn)
    server.start()
    found = await answers(server.address)
    assert [call for call, answer in found.items() if is_internal(answer)] == []
    assert_told(server)


def is_internal(answer: object) -> bool:
    return isinstance(answer, Refusal) and answer.code == "INTERNAL"


def assert_told(server: ServerProcess) -> None:
    """The server has seen no bug in it, and the check names it."""
    server.kill()
    assert "Traceback" not in server.log.read_text()
    said = check(server.store)
    assert (said.status, said.err) == (1, [])
    assert said.out[0].startswith("file_is_whole: ")


@pytest.mark.sqlite
async def test_the_operator_is_told_too(server: ServerProcess, path: Path) -> None:
    damage_page(path, "tasks", zeroed)
    server.start()
    async with Api.at(server.address) as api:
        assert (await refused(api.get("done"))).kind == DAMAGED
    assert f"the store is damaged: {path}: database disk image is malformed" in (
        server.log.read_text()
    )


def damaged_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"sqlite!")


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def of_one_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(PAGE)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def without_head(path: Path) -> None:
    damage_page(path, "head", zeroed)


def without_log(path: Path) -> None:
    """Damage the root of the log, in which the server looks up where it stands."""
    damage_page(path, "log", zeroed)


def with_a_torn_head(path: Path) -> None:
    damage_page(path, "head", torn)


ENDS = (
    damaged_header,
    truncated,
    of_one_page,
    emptied,
    without_head,
    with_a_torn_head,
    without_log,
)


@pytest.mark.sqlite
@pytest.mark.parametrize("how", ENDS)
def test_a_file_without_its_beginning_or_end_is_refused_at_the_start(
    path: Path, tmp_path: Path, how: Callable[[Path], None]
) -> None:
    how(path)
    store = sqlite_in(tmp_path)
    for words in (["--listen", "127.0.0.1:0"], ["backup", tmp_path / "copy.db"]):
        said = tool(*words, "--store", store)
        assert (said.status, said.out) == (1, []), words
        (line,) = said.err
        assert str(path) in line
    assert check(store).status == 1
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["tasks", "log", "payloads", "requests"])
def test_a_damaged_table_is_not_copied(path: Path, tmp_path: Path, name: str) -> None:
    damage_page(path, name, zeroed)
    said = backup(sqlite_in(tmp_path), tmp_path / "copy.db")
    assert (said.status, said.out) == (1, [])
    assert "malformed" in said.err[0]
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.sqlite
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "flipped"])
async def test_of_a_torn_write_ahead_log_the_whole_commits_before_count(
    server: ServerProcess, path: Path, cut: bool
) -> None:
    """What is lost was acknowledged: whoever holds a token of it is told so."""
    server.start()
    async with Site(server.address) as site:
        tasks = [await site.create(queue="new") for _ in range(20)]
        reading = await site.read(t.WatchTasksRequest(), lambda reading: reading.complete)
    server.kill()
    log = path.with_name(path.name + "-wal")
    data = bytearray(log.read_bytes())
    if cut:
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 1
    log.write_bytes(data)
    assert check(server.store).status == 0
    server.start()
    async with Site(server.address) as site:
        listed = await site.tasks.ListTasks(t.ListTasksRequest(filter=m.TaskFilter(queues=["new"])))
        kept = [task.id for task in reversed(listed.tasks)]  # newest first
        assert 0 < len(kept) < len(tasks)
        assert kept == [task.id for task in tasks[: len(kept)]]
        lost = await site.read(t.WatchTasksRequest(resume_token=reading.token))
    assert lost.info.reason == "REVISION_IN_FUTURE"
    assert check(server.store).status == 0


@pytest.mark.sqlite
async def test_text_that_is_none_is_damage(path: Path, server: ServerProcess) -> None:
    await execute(server.store, "UPDATE tasks SET doc = CAST(x'7bff' AS TEXT) WHERE id = 'held'")
    server.start()
    async with Api.at(server.address) as api:
        assert (await refused(api.get("held"))).kind == DAMAGED
    said = await asyncio.to_thread(check, server.store)
    assert (said.status, said.err) == (1, [])

"""What is changed in the file counts for those who are here already: their streams end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from access.people import (
    LIST,
    Issuer,
    api_of,
    end_of,
    entry,
    kept_out,
    kind,
    knock,
    let_in,
    publish,
    static,
    trust,
)
from rpc.stream import Runner
from rpc.wire import PATIENCE, Api, refused

import idstatus
from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

CHANGED = ("UNAVAILABLE", "CALLER_CHANGED")
UNKNOWN = ("UNAUTHENTICATED", "BAD_CREDENTIALS")
QUEUE = "q"
BOB = entry("bob", "admin")


class Door:
    """A server, and the file that says whom it lets in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "auth.toml"
        self.admit(BOB)
        self.server = ServerProcess(folder, "--auth", str(self._file)).start()

    def admit(self, *entries: str) -> None:
        """Exchange the file."""
        new = self.folder / "new.toml"
        new.write_text("".join(entries))
        new.rename(self._file)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    door = Door(tmp_path)
    yield door
    door.server.stop()


@pytest.fixture
async def channel(door: Door) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(door.server.address) as channel:
        yield channel


async def begun(api: Api) -> Any:
    """Begin to watch."""
    watch = api.tasks.WatchTasks(t.WatchTasksRequest())
    await watch.read()
    return watch


async def test_streams_and_waits_end_of_whom_the_file_says_no_more(
    door: Door, channel: grpc.aio.Channel
) -> None:
    door.admit(BOB, entry("ann", "viewer"), entry("cid", "runner"))
    await let_in(channel, static("ann"))
    ann, bob = api_of(channel, static("ann")), api_of(channel, static("bob"))
    task = await bob.create(QUEUE)
    hers, his = await begun(ann), await begun(bob)
    waiting = asyncio.create_task(refused(ann.wait(task.id)))
    runner = Runner(api_of(channel, static("cid")).runners.Run())
    await runner.subscribe(QUEUE)
    (claim,) = await runner.claims()

    door.admit(BOB)
    assert (await end_of(hers)).kind == CHANGED
    assert (await end_of(runner.call)).kind == CHANGED
    assert (await waiting).kind == CHANGED
    assert kind(await knock(channel, LIST, static("ann"))) == UNKNOWN
    assert (await bob.succeed(claim)).id == task.id  # what was held is still held
    async with asyncio.timeout(PATIENCE):  # and nobody else has noticed
        while not any(c.id_status.status == m.STATUS_SUCCESS for c in (await his.read()).changes):
            pass
    his.cancel()


async def test_a_runner_whose_queues_were_changed_claims_nothing_by_what_it_had(
    door: Door, channel: grpc.aio.Channel
) -> None:
    door.admit(BOB, entry("cid", f"runner:{QUEUE}", "viewer"))
    await let_in(channel, static("cid"))
    cid, bob = api_of(channel, static("cid")), api_of(channel, static("bob"))
    claiming = asyncio.create_task(refused(cid.claim(QUEUE, wait=PATIENCE)))
    await let_in(channel, static("bob"))  # calls are let in in the order in which they come
    door.admit(BOB, entry("cid", "runner:other"))
    await kept_out(channel, static("cid"))
    task = await bob.create(QUEUE)
    assert (await claiming).kind == CHANGED
    assert (await bob.get(task.id)).status == m.STATUS_QUEUED


async def test_the_issuer_s_streams_end_if_it_is_trusted_no_more(
    door: Door, channel: grpc.aio.Channel, issuer: Issuer
) -> None:
    publish(door.folder / "keys.json", issuer)
    door.admit(BOB, trust(door.folder / "keys.json"))
    token = issuer.token("viewer")
    await let_in(channel, token)
    watch = await begun(api_of(channel, token))
    door.admit(BOB)
    assert (await end_of(watch)).kind == CHANGED
    assert kind(await knock(channel, LIST, token)) == UNKNOWN


async def test_a_client_with_a_new_token_watches_on_as_its_old_one_is_taken_out(
    door: Door, channel: grpc.aio.Channel
) -> None:
    bob = api_of(channel, static("bob"))
    door.admit(BOB, entry("old", "viewer"), entry("new", "viewer"))
    await let_in(channel, static("old"))
    shown = [static("new"), static("old")]
    async with idstatus.AsyncClient(
        door.server.address, token=lambda: shown.pop() if len(shown) > 1 else shown[0]
    ) as client:
        watch = client.watch()
        made = [(await bob.create(QUEUE)).id]
        seen = [(await anext(watch)).id_status.id]
        door.admit(BOB, entry("new", "viewer"))
        await kept_out(channel, static("old"))
        made.append((await bob.create(QUEUE)).id)
        async with asyncio.timeout(PATIENCE):
            seen.append((await anext(watch)).id_status.id)
        assert seen == made
        await watch.aclose()

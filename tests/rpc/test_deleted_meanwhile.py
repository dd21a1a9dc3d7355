"""A task that is deleted between being found and being read is told of by nobody."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as t
from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Cancel, Claim, Create, Delete, NewTask
from idstatus_server.errors import TaskNotFoundError
from idstatus_server.limits import Limits
from idstatus_server.rpc import encode
from idstatus_server.rpc.claiming import Claiming
from idstatus_server.rpc.finding import tell
from idstatus_server.rpc.guard import Context, Guard
from idstatus_server.rpc.listing import Listing
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.store.base import Bodies
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.watch import Arrivals

FULL = task_pb2.TASK_VIEW_FULL


class Scene(SqliteStore):
    """Tasks a, b and c; whoever reads payloads finds that b was cancelled and deleted just now."""

    async def bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        if await self.tasks(["b"]):
            await self.ledger.submit(Cancel("b"))
            await self.ledger.submit(Delete("b"))
        return await super().bodies(seqs)

    async def prepare(self) -> None:
        self.ledger = Ledger(self, lambda _before, _changes: None, 1000)
        items = [NewTask(queue="q", timeout=1, labels={}, task_id=i, payload=b"p") for i in "abc"]
        await self.ledger.submit(Create(items))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with Scene(":memory:") as scene:
        await scene.prepare()
        yield scene
        await scene.ledger.close(5)


async def test_a_claim_hands_out_the_others(scene: Scene) -> None:
    rooms = SimpleNamespace(store=scene, ledger=scene.ledger, arrivals=Arrivals())
    claiming = Claiming(cast("Rooms", rooms), Guard(in_flight=1, streams=1))
    tasks = await claiming.claim(
        Claim(queues=["q"], max_tasks=3, lease=60_000_000, max_bytes=1 << 20), 0
    )
    answer = r.ClaimTasksResponse()
    await claiming.encode(answer, tasks)
    assert [(claim.task.id, claim.task.payload) for claim in answer.claims] == [
        ("a", b"p"),
        ("c", b"p"),
    ]


async def test_a_list_shows_the_others(scene: Scene) -> None:
    listing = Listing(scene, Tokens(scene.store_id), Limits())
    answer = await listing.list_tasks(t.ListTasksRequest(view=FULL), cast("Context", None))
    assert [(task.id, task.payload) for task in answer.tasks] == [("c", b"p"), ("a", b"p")]


async def test_a_get_finds_nothing(scene: Scene) -> None:
    with pytest.raises(TaskNotFoundError):
        await tell(task_pb2.Task(), scene, "b", encode.FULL)

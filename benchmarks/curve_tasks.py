"""What calls cost while the store grows."""

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import servers
from curve import (
    Act,
    Curve,
    Group,
    Operation,
    Point,
    Reading,
    Scale,
    call,
    claim_and_finish,
    cost,
    points,
    repeat,
)
from growth import LIST, PAGE, fill, some_ids
from lives import CONNECTIONS, UNARY_CALLERS, claim_request
from unary import BATCH_CREATE, CREATE, GET, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import Status, TaskFilter
from idstatus_server.rpc.tokens import Tokens

_CANCEL = "/idstatus.v1.TaskService/BatchCancelTasks"
_FEW = 20
# Tasks that are stored in one go, half of them finished: so all stores look alike everywhere.
_STEP = 2000
# A page that has to look far costs as much as so many calls.
_SLOW = 20
_RARE = {"kind": "rare"}
_CACHES = "SQLite may keep 64 MiB of pages for each of two connections"

CURVES = (
    Curve("get", "GetIdStatus of random tasks"),
    Curve("create", "CreateTask"),
    Curve("claim", "ClaimTasks and FinishTasks of one task"),
    Curve("list", f"the first page of {PAGE} tasks of a queue"),
    Curve("list-middle", "a page in the middle, by its token"),
    Curve("list-label", "a page by a label that few have: it looks at 5,000 tasks"),
    Curve("list-status", "a page by a status that few have"),
    Curve("memory", "memory of the server", None, _CACHES, "MiB"),
)


class Stored(NamedTuple):
    """What must be known of a store: ids from all over it, its own id, a ``seq`` in the middle."""

    ids: Sequence[str]
    store_id: str
    middle: int


def stored(path: str) -> Stored:
    """Look into a store that no server has open."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (store_id,) = db.execute("SELECT store_id FROM head").fetchone()
        (middle,) = db.execute("SELECT max(seq) / 2 FROM tasks").fetchone()
    return Stored(some_ids(path), store_id, middle)


def page(wanted: TaskFilter, there: Stored | None = None) -> bytes:
    """Return the request for the first page or, of a store that is known, one in the middle."""
    filtered = t.ListTasksRequest(filter=wanted).SerializeToString(deterministic=True)
    token = Tokens(there.store_id).page(there.middle, filtered) if there else ""
    asked = t.ListTasksRequest(filter=wanted, page_size=PAGE, page_token=token)
    return asked.SerializeToString()


def some_rare(wire: Wire) -> None:
    """Create few tasks with a label, and cancel them."""
    task = new_task()
    task.ClearField("labels")
    task.labels.update(_RARE)
    many = t.BatchCreateTasksRequest(requests=[task] * _FEW).SerializeToString()
    made = t.BatchCreateTasksResponse.FromString(wire.ask(BATCH_CREATE, many)).tasks
    cancel = t.BatchCancelTasksRequest(ids=[task.id for task in made])
    wire.ask(_CANCEL, cancel.SerializeToString())


def acts(scale: Scale, server: servers.Server, wire: Wire, there: Stored) -> dict[str, Act]:
    """Return what is measured at each size."""
    gets = itertools.cycle([t.GetIdStatusRequest(id=i).SerializeToString() for i in there.ids])
    create, claim = new_task().SerializeToString(), claim_request(1)
    pages = {
        "list": page(TaskFilter(queues=["q"])),
        "list-middle": page(TaskFilter(queues=["q"]), there),
        "list-label": page(TaskFilter(labels=_RARE)),
        "list-status": page(TaskFilter(statuses=[Status.STATUS_CANCELLED])),
    }

    def act(operation: Operation, calls: int = scale.calls) -> Act:
        return lambda: cost(server, lambda: repeat(wire, operation, calls, UNARY_CALLERS))

    listings = {
        name: act(
            call(LIST, lambda request=request: request),  # type: ignore[misc]
            max(1, scale.calls // _SLOW) if name == "list-label" else scale.calls,
        )
        for name, request in pages.items()
    }
    return {
        "get": act(call(GET, lambda: next(gets))),
        "create": act(call(CREATE, lambda: create)),
        "claim": act(claim_and_finish(lambda: claim)),
        **listings,
    }


def filled(scale: Scale, sizes: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Return stores of these sizes; each has grown from a copy of the one before."""
    size, before = 0, ""
    for larger in sizes:
        store = scale.at.store()
        path = store.removeprefix("sqlite:///")
        if before:
            shutil.copy(before, path)
        for first in range(size, larger, _STEP):
            asyncio.run(fill(path, _STEP, first))
        size, before = larger, path
        yield size, store


def measure(scale: Scale, sizes: Sequence[int]) -> Iterator[Point]:
    """Serve stores of all sizes, and call them in turn."""
    stores = dict(filled(scale, sizes))
    with ExitStack() as open_now:
        at_size: dict[int, dict[str, Act]] = {}
        running: dict[int, servers.Server] = {}
        for size, store in stores.items():
            there = stored(store.removeprefix("sqlite:///"))
            server = open_now.enter_context(servers.idstatus(store, scale.at.server_cores))
            wire = open_now.enter_context(Wire(server.address, CONNECTIONS))
            some_rare(wire)
            at_size[size], running[size] = acts(scale, server, wire, there), server
        yield from points(scale, at_size)
        for size, server in running.items():
            yield Point("memory", size, [Reading(server.memory / 2**20)])


TASKS = Group(
    "tasks",
    "tasks stored",
    CURVES,
    (10_000, 100_000, 1_000_000),
    measure,
    full=(10_000_000,),
    trial=_STEP,
)

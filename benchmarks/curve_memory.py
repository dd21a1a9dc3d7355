"""The memory of a server while tasks live and die, as on a long day, only sooner."""

import time
import uuid
from collections.abc import Iterator, Sequence
from statistics import linear_regression

import servers
import work
from curve import Curve, Done, Group, Point, Reading, Scale, claim_and_finish, repeat
from fanout import WATCH, watch_request
from frames import Connection
from lives import BATCH_CALLERS, CONNECTIONS, claim_request
from unary import BATCH_CREATE, counts, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_BATCH = 100
_WATCHERS = 3
# Looks at the memory, and batches between two looks at the clock.
_LOOKS, _BETWEEN = 40, 4
_DAY = 86_400
_SOON = "2s"
_SHORT = ("--retention", _SOON, "--log-retention", _SOON, "--request-retention", _SOON)

_CACHES = "caches and the allocator fill up at first"
_RETENTION = "what has ended is deleted every 10 s, so it goes up and down"


def _many() -> bytes:
    task = new_task()
    task.payload = work.PAYLOAD
    return t.BatchCreateTasksRequest(requests=[task] * _BATCH).SerializeToString()


_MANY = _many()
_FINISH = claim_and_finish(lambda: claim_request(_BATCH))

CURVES = (
    Curve("memory-early", "memory of the server in the first half", None, _CACHES, "MiB"),
    Curve("memory", "memory of the server in the second half", unit="MiB"),
    Curve("stored", "tasks stored", None, _RETENTION, "tasks"),
)


def life(connection: Connection, done: Done) -> None:
    """Let a batch of tasks be created, claimed and finished."""
    named = t.BatchCreateTasksRequest(request_id=str(uuid.uuid4()))
    request = _MANY + named.SerializeToString()
    connection.start(BATCH_CREATE, request, on_end=lambda: _FINISH(connection, done))


def measure(scale: Scale, sizes: Sequence[int]) -> Iterator[Point]:
    """Let tasks live for as many seconds as the last size says, and look now and then."""
    lasts = sizes[-1]
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores, *_SHORT) as server,
        Wire(server.address, CONNECTIONS) as wire,
    ):
        for number in range(_WATCHERS):
            wire.connections[number].start(WATCH, watch_request())
        done, start = 0, time.perf_counter()
        for look in range(_LOOKS):
            ends = start + lasts * (look + 1) / _LOOKS
            while (now := time.perf_counter()) < ends:
                done += _BATCH * repeat(wire, life, _BETWEEN, BATCH_CALLERS)
            name = "memory-early" if look < _LOOKS / 2 else "memory"
            yield Point(name, done, [Reading(server.memory / 2**20, done / (now - start))])
            found = counts(wire)
            yield Point("stored", done, [Reading(found.queued + found.running + found.success)])


def summary(points: Sequence[Point]) -> dict[str, float]:
    """Return how fast the memory grew in the second half, and how much was done in all."""
    late = [(p.size, p.readings[0].value * 1024) for p in points if p.curve == "memory"]
    done = points[-1].size
    told = {"tasks done": done, "tasks a second that make as many in a day": done / _DAY}
    if late[-1][0] > late[0][0]:
        slope = linear_regression(*zip(*late, strict=True)).slope
        told["KiB per 1,000 tasks in the second half"] = slope * 1000
    return told


MEMORY = Group(
    "memory",
    "tasks done",
    CURVES,
    (60,),
    measure,
    full=(1800,),
    trial=1,
    summary=summary,
)

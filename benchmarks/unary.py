"""Single calls, against an empty handler of the same sizes."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import floor
import servers
from contest import Act, Contest, Sample, Setting, rated
from wire import Wire

from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import task_service_pb2 as t

GET = "/idstatus.v1.TaskService/GetIdStatus"
CREATE = "/idstatus.v1.TaskService/CreateTask"
BATCH_CREATE = "/idstatus.v1.TaskService/BatchCreateTasks"
GET_QUEUE = "/idstatus.v1.QueueService/GetQueue"
CALLERS = 256
CONNECTIONS = 4


def new_task(queue: str = "q") -> t.CreateTaskRequest:
    """Return a small task, as it is created everywhere here."""
    return t.CreateTaskRequest(queue=queue, payload=b"\x5a" * 100, labels={"kind": "bench"})


def create_many(wire: Wire, count: int, queue: str = "q") -> list[str]:
    """Create tasks, a thousand in a call at most; return their ids."""
    ids: list[str] = []
    while len(ids) < count:
        requests = [new_task(queue)] * min(1000, count - len(ids))
        request = t.BatchCreateTasksRequest(requests=requests).SerializeToString()
        answer = t.BatchCreateTasksResponse.FromString(wire.ask(BATCH_CREATE, request))
        ids += [task.id for task in answer.tasks]
    return ids


def counts(wire: Wire, queue: str = "q") -> q.QueueCounts:
    """Return how many tasks of each status a queue holds."""
    request = q.GetQueueRequest(name=queue).SerializeToString()
    return q.GetQueueResponse.FromString(wire.ask(GET_QUEUE, request)).queue.counts


def empty_call(request: bytes, answer: bytes) -> bytes:
    """Return a request to the empty server of the same size, which asks for the same answer."""
    return floor.SIZE.pack(len(answer)).ljust(len(request), b"\0")


class Calls:
    """Calls of one kind; ``made`` counts them."""

    def __init__(self, path: str, request: Callable[[], bytes]) -> None:
        self.path = path
        self.request = request
        self.made = 0


def flooded(at: Setting, name: str, wire: Wire, server: servers.Server, call: Calls) -> Sample:
    """Keep calls in flight; return how many end in a second."""
    with wire.flood(call.path, call.request, CALLERS) as flood:
        sample = rated(at, name, wire, server, lambda: flood.done)
    call.made += flood.done
    return sample


@contextmanager
def against_empty(
    at: Setting, name: str, prepare: Callable[[Wire], Calls]
) -> Iterator[tuple[Act, Act]]:
    """Flood our server with calls, and the empty one with as many bytes."""
    with (
        servers.idstatus(at.store(), at.server_cores) as ours,
        servers.floor(at.server_cores) as bare,
        Wire(ours.address, CONNECTIONS) as to_ours,
        Wire(bare.address, CONNECTIONS) as to_bare,
    ):
        calls = prepare(to_ours)
        request = calls.request()
        same = empty_call(request, to_ours.ask(calls.path, request))
        calls.made += 1
        empty = Calls(floor.ANSWER, lambda: same)
        yield (
            lambda: flooded(at, name, to_ours, ours, calls),
            lambda: flooded(at, name, to_bare, bare, empty),
        )
        if calls.path == CREATE:
            queued = counts(to_ours).queued
            assert queued == calls.made, f"{calls.made} created, {queued} stored"


def get(tasks: int) -> Contest:
    """Return the contest that asks for the statuses of so many tasks, in turn."""

    def prepare(wire: Wire) -> Calls:
        requests = [
            t.GetIdStatusRequest(id=task_id).SerializeToString()
            for task_id in create_many(wire, tasks)
        ]
        turns = itertools.cycle(requests)
        return Calls(GET, lambda: next(turns))

    return lambda at, name: against_empty(at, name, prepare)


@contextmanager
def create(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Create tasks whose ids the server makes."""
    request = new_task().SerializeToString()
    with against_empty(at, name, lambda _: Calls(CREATE, lambda: request)) as acts:
        yield acts


@contextmanager
def create_with_request_id(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Create them as our client package does, which may repeat a call."""
    task = new_task().SerializeToString()

    def request() -> bytes:
        return task + t.CreateTaskRequest(request_id=str(uuid.uuid4())).SerializeToString()

    with against_empty(at, name, lambda _: Calls(CREATE, request)) as acts:
        yield acts

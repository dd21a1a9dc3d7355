"""A client that asks for much and reads none of it costs a bounded memory, and hurts nobody."""

from collections import Counter

import grpc
from hostile.caller import Caller
from hostile.footprint import footprint
from hostile.neighbour import Neighbour

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

_PATH = "/idstatus.v1.TaskService/ListTasks"
_ASKED, _TASKS, _PAYLOAD = 30, 12, bytes(250_000)
# Of 64 MiB, so many pages of 12 tasks; the others are refused.
_KEPT = 22
# MiB: gRPC has a copy of each of them. After so many rounds, what is never taken off, or stays in
# memory, would be noticed.
_MOST, _ROUNDS = 256.0, 5


def test_answers_that_nobody_reads_are_bounded(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        stub = TaskServiceStub(channel)
        wanted = [t.CreateTaskRequest(queue="big", payload=_PAYLOAD)] * _TASKS
        stub.BatchCreateTasks(t.BatchCreateTasksRequest(requests=wanted))
        big = m.TaskFilter(queues=["big"])
        page = t.ListTasksRequest(filter=big, page_size=_TASKS, view=m.TASK_VIEW_FULL)
        held = [footprint(server).memory]
        with Neighbour(server.address) as neighbour:
            for _ in range(_ROUNDS):
                hoarder = Caller(server.address, reads=False)
                assert _hoard(hoarder, page) == {"8": _ASKED - _KEPT}  # RESOURCE_EXHAUSTED
                held.append(footprint(server).memory)
                assert len(stub.ListTasks(page).tasks) == _TASKS
                hoarder.socket.close()
    assert not neighbour.failures
    assert max(held) < held[0] + _MOST


def _hoard(hoarder: Caller, page: t.ListTasksRequest) -> Counter[object]:
    """Ask for pages, and return the statuses of those that were refused."""
    refused: Counter[object] = Counter()
    for _ in range(_ASKED):
        hoarder.call(
            _PATH,
            [page.SerializeToString()],
            print,
            lambda trailers: refused.update([trailers["grpc-status"]]),
        )
    hoarder.flush()
    while refused.total() < _ASKED - _KEPT:
        hoarder.receive()
    return refused

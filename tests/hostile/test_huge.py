"""Large requests cost little, whichever of their fields is huge."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.descriptor import FieldDescriptor as F
from hostile.encodings import lengthy
from hostile.footprint import footprint, forget_peak, peak
from hostile.methods import METHODS, Method, is_map

from harness import ServerProcess
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

_SIZE = 8 << 20
# Seconds of CPU: gRPC and protobuf take most of it. A loop over the items would take longer.
_COST = 2.0
# MiB: parsed without a look at it, a request of empty items would take 80 times its size.
_MEMORY = 200.0
_REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


Path = tuple[Any, ...]


def repeated(kind: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the ways to all fields that may come many times."""
    for field in kind.fields:
        if field.is_repeated:
            yield (*path, field)
        if field.type == F.TYPE_MESSAGE and len(path) < 2:
            yield from repeated(field.message_type, (*path, field))


def huge(path: Path) -> bytes:
    """Return a message in which the last of the fields comes a great many times."""
    *outer, field = path
    kind = "enum" if field.type == F.TYPE_ENUM else "map" if is_map(field) else "empty"
    data = _many(field.number, kind)
    for around in reversed(outer):
        data = lengthy(around.number, data)
    return data


@cache
def _many(number: int, kind: str) -> bytes:
    if kind == "enum":
        return lengthy(number, b"\1" * _SIZE)
    if kind == "map":
        entry = lengthy(number, lengthy(1, b"%08x"))
        return b"".join(entry % n for n in range(_SIZE // len(entry % 0)))
    return lengthy(number, b"") * (_SIZE // 2)


CASES = [
    pytest.param(method, path, id=".".join((method.name, *(field.name for field in path))))
    for method in METHODS
    if method.ours
    for path in repeated(method.request)
]


@pytest.mark.parametrize(("method", "path"), CASES)
def test_a_huge_request_is_cheap(shared_server: ServerProcess, method: Method, path: Path) -> None:
    data = huge(path)
    spent, held = _cpu(shared_server), footprint(shared_server).memory
    forget_peak(shared_server)
    with grpc.insecure_channel(shared_server.address) as channel:
        send: Any = channel.stream_stream(method.path)
        call = send(iter([data]), timeout=30)
        with pytest.raises(grpc.RpcError) as caught:
            for _ in call:
                pass
    assert caught.value.code() in _REFUSALS, caught.value
    assert _cpu(shared_server) - spent < _COST
    assert peak(shared_server) - held < _MEMORY


def test_refused_requests_leave_nothing(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        tasks = TaskServiceStub(channel)
        request = t.CreateTaskRequest(payload=bytes(10 << 20))
        held = []
        for _ in range(15):
            with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
                tasks.CreateTask(request)
            held.append(footprint(server).memory)
    assert held[-1] < held[4] + 64


def _cpu(server: ServerProcess) -> float:
    spent = psutil.Process(server.pid).cpu_times()
    return spent.user + spent.system

"""Bytes that are no request are the caller's fault, on every method."""

from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from rpc.wire import Api, refused

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2
from idstatus.v1 import runner_service_pb2 as r

REFUSED = ("INVALID_ARGUMENT", "INVALID_FIELD")
# A field number 0, a string that is not UTF-8 in field 1, a length past the end.
BYTES = [b"\x00\x00", b"\x0a\x02\xff\xfe", b"\x0a\x7fshort"]
SERVICES = [
    service
    for module in (task_service_pb2, runner_service_pb2, queue_service_pb2, operations_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = [method for service in SERVICES for method in service.methods]
UNARY = [m for m in METHODS if not m.server_streaming and not m.client_streaming]


def path(method: Any) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


@pytest.mark.parametrize("method", UNARY, ids=path)
async def test_a_unary_method_refuses_what_it_cannot_parse(api: Api, method: Any) -> None:
    refusal = await refused(api.raw(path(method), BYTES[0]))
    assert (refusal.kind, refusal.fields) == (REFUSED, [""])


@pytest.mark.parametrize("data", BYTES)
async def test_it_does_not_matter_what_is_wrong_with_the_bytes(api: Api, data: bytes) -> None:
    assert (await refused(api.raw("idstatus.v1.TaskService/GetTask", data))).kind == REFUSED


async def test_bytes_of_fields_we_do_not_know_are_let_pass(api: Api, queue: str) -> None:
    created = await api.create(queue)
    unknown = b"\xfa\x3f\x01x"  # field 1023
    request = b"\x0a" + bytes([len(created.id)]) + created.id.encode()
    known = await api.raw("idstatus.v1.TaskService/GetIdStatus", request)
    assert await api.raw("idstatus.v1.TaskService/GetIdStatus", request + unknown) == known


async def test_a_watch_refuses_what_it_cannot_parse(api: Api) -> None:
    watch: Any = api.channel.unary_stream("/idstatus.v1.TaskService/WatchTasks")
    assert (await refused(watch(b"\xff\xff").read())).kind == REFUSED


async def test_a_runners_stream_refuses_what_it_cannot_parse(api: Api, queue: str) -> None:
    run: Any = api.channel.stream_stream("/idstatus.v1.RunnerService/Run")
    first: Any = run()
    await first.write(b"\xff\xff")
    assert (await refused(first.read())).kind == REFUSED

    later: Any = run()
    hello = r.RunRequest(tag=7, subscription=r.Subscription(queues=[queue]))
    await later.write(hello.SerializeToString())
    assert r.RunResponse.FromString(await later.read()).tag == 7
    await later.write(b"\xff\xff")
    assert (await refused(later.read())).kind == REFUSED


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_refuses_what_it_cannot_parse(api: Api, version: str) -> None:
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    asked: Any = api.channel.stream_stream(path)()
    await asked.write(b"\xff\xff")
    assert (await refused(asked.read())).kind == REFUSED


@pytest.mark.parametrize(
    "method", ["grpc.health.v1.Health/Check", "grpc.channelz.v1.Channelz/GetServers"]
)
async def test_the_stock_services_refuse_what_they_cannot_parse(api: Api, method: str) -> None:
    call: Any = api.channel.unary_unary(f"/{method}")
    assert (await refused(call(b"\xff\xff"))).kind == REFUSED


async def test_an_unknown_method_is_unimplemented(api: Api) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.raw("idstatus.v1.TaskService/NoSuchMethod", b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED

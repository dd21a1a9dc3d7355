"""What tools ask of any gRPC server: health, reflection, channelz."""

import asyncio
import signal
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from rpc.wire import PATIENCE, Api, refused

from harness import ServerProcess

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
OURS = [
    *(f"idstatus.v1.{name}Service" for name in ("Queue", "Runner", "Task")),
    "google.longrunning.Operations",
]
VERSIONS = ["v1", "v1alpha"]


@pytest.mark.parametrize("service", ["", *OURS])
async def test_each_service_is_serving(api: Api, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    assert (await api.health.Check(request)).status == SERVING
    watch = api.health.Watch(request)
    assert (await watch.read()).status == SERVING
    watch.cancel()


async def test_the_health_of_what_is_not_there(api: Api) -> None:
    request = health_pb2.HealthCheckRequest(service="no.such.Service")
    assert (await refused(api.health.Check(request))).code == "NOT_FOUND"
    watch = api.health.Watch(request)
    assert (await watch.read()).status == SERVICE_UNKNOWN
    watch.cancel()


async def test_a_service_with_a_huge_name_is_not_there_either(api: Api) -> None:
    request = health_pb2.HealthCheckRequest(service="x" * 100_000)
    assert (await refused(api.health.Check(request))).code == "NOT_FOUND"


async def test_health_turns_not_serving_when_the_server_drains(server: ServerProcess) -> None:
    async with Api.at(server.address) as api:
        watches = [
            api.health.Watch(health_pb2.HealthCheckRequest(service=service))
            for service in ("", *OURS)
        ]
        for watch in watches:
            assert (await watch.read()).status == SERVING
        server.signal(signal.SIGTERM)
        for watch in watches:
            async with asyncio.timeout(PATIENCE):
                assert (await watch.read()).status == NOT_SERVING
            watch.cancel()
    assert await asyncio.to_thread(server.wait) == 0


async def reflect(api: Api, version: str, **asked: Any) -> Any:
    call: Any = api.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )()
    await call.write(reflection.ServerReflectionRequest(**asked))
    answer = await call.read()
    await call.done_writing()
    return answer


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_lists_every_service(api: Api, version: str) -> None:
    answer = await reflect(api, version, list_services="")
    listed = {service.name for service in answer.list_services_response.service}
    assert listed >= {
        *OURS,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "grpc.channelz.v1.Channelz",
    }


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_service_listed_can_be_described(api: Api, version: str) -> None:
    answer = await reflect(api, version, list_services="")
    for service in answer.list_services_response.service:
        described = await reflect(api, version, file_containing_symbol=service.name)
        files = described.file_descriptor_response.file_descriptor_proto
        assert service.name in {
            f"{file.package}.{found.name}"
            for file in map(FileDescriptorProto.FromString, files)
            for found in file.service
        }


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_shows_a_comment_on_everything(api: Api, version: str) -> None:
    for name in ("task", "task_service", "runner_service", "queue_service"):
        path = f"idstatus/v1/{name}.proto"
        answer = await reflect(api, version, file_by_filename=path)
        files = answer.file_descriptor_response.file_descriptor_proto
        (file,) = [f for f in map(FileDescriptorProto.FromString, files) if f.name == path]
        commented = {
            tuple(location.path)
            for location in file.source_code_info.location
            if location.leading_comments.strip()
        }
        assert set(declared(file)) - commented == set()


def declared(file: FileDescriptorProto) -> list[tuple[int, ...]]:
    """Return the paths of all that ought to have a comment (see descriptor.proto)."""
    paths: list[tuple[int, ...]] = []

    def enums(at: tuple[int, ...], found: Any) -> None:
        for i, enum in enumerate(found):
            paths.extend([(*at, i), *((*at, i, 2, j) for j, _ in enumerate(enum.value))])

    def messages(at: tuple[int, ...], found: Any) -> None:
        for i, message in enumerate(found):
            if message.options.map_entry:
                continue
            paths.extend([(*at, i), *((*at, i, 2, j) for j, _ in enumerate(message.field))])
            messages((*at, i, 3), message.nested_type)
            enums((*at, i, 4), message.enum_type)

    messages((4,), file.message_type)
    enums((5,), file.enum_type)
    for i, service in enumerate(file.service):
        paths.extend([(6, i), *((6, i, 2, j) for j, _ in enumerate(service.method))])
    return paths


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("symbol", ["TaskService.CancelTask", "Task.id", "STATUS_QUEUED"])
async def test_reflection_knows_the_parts_of_services_messages_and_enums(
    api: Api, version: str, symbol: str
) -> None:
    answer = await reflect(api, version, file_containing_symbol=f"idstatus.v1.{symbol}")
    files = answer.file_descriptor_response.file_descriptor_proto
    names = {FileDescriptorProto.FromString(file).name for file in files}
    assert names & {"idstatus/v1/task_service.proto", "idstatus/v1/task.proto"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("symbol", ["no.such.Thing", "idstatus.v1.TaskService.NoSuchMethod"])
async def test_reflection_says_what_it_does_not_know(api: Api, version: str, symbol: str) -> None:
    answer = await reflect(api, version, file_containing_symbol=symbol)
    assert answer.error_response.error_code == 5


async def test_channelz_answers(api: Api) -> None:
    channel: Any = api.channel
    stub: Any = channelz_pb2_grpc.ChannelzStub(channel)
    servers = await stub.GetServers(channelz_pb2.GetServersRequest())
    assert [server.data.calls_started > 0 for server in servers.server] == [True]

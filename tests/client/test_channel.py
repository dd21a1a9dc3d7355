import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor

from harness import ServerProcess
from idstatus import Client, ResourceExhaustedError
from idstatus.channel import SERVICE_CONFIG
from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2
from idstatus.v1 import task_service_pb2 as pb
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub
from idstatus_server.rpc.dispatch import may_wait

FILES = (task_service_pb2, runner_service_pb2, queue_service_pb2, operations_pb2)
SERVICES = [s for file in FILES for s in file.DESCRIPTOR.services_by_name.values()]
METHODS = [method for service in SERVICES for method in service.methods]
WITH_THE_FILE = [("grpc.service_config", SERVICE_CONFIG)]


def rule(method: MethodDescriptor) -> dict[str, Any]:
    """Return what the service config says of a method: its own entry, or else its service's."""
    service = method.containing_service.full_name
    entries = json.loads(SERVICE_CONFIG)["methodConfig"]
    for name in ({"service": service, "method": method.name}, {"service": service}):
        for entry in entries:
            if name in entry["name"]:
                return {**entry}
    raise AssertionError(f"the service config does not know {service}")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_unary_method_has_a_deadline_and_is_repeated_and_no_stream_is(
    method: MethodDescriptor,
) -> None:
    said = rule(method)
    if method.client_streaming or method.server_streaming:
        assert said.keys() == {"name"}
    else:
        longest_wait = 300 if may_wait(method) else 0
        assert float(said["timeout"].removesuffix("s")) > longest_wait
        assert said["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


class Refusing(grpc.GenericRpcHandler):
    """A server that is UNAVAILABLE ``times`` times, and then answers with nothing in it."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Serve any method."""
        self.calls.append(details.method.rpartition("/")[2])
        if details.method.endswith("WatchTasks"):
            return grpc.unary_stream_rpc_method_handler(self._refuse)
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    def _refuse(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        if len(self.calls) <= self.times:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        return b""


@contextmanager
def refusing(times: int) -> Iterator[tuple[Refusing, str]]:
    handler = Refusing(times)
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_plain_channel_with_the_file_repeats_what_was_unavailable() -> None:
    with (
        refusing(times=2) as (server, address),
        grpc.insecure_channel(address, WITH_THE_FILE) as channel,
    ):
        answer = TaskServiceStub(channel).GetTask(pb.GetTaskRequest(id="a"))
    assert answer == pb.GetTaskResponse()
    assert server.calls == ["GetTask"] * 3


def test_a_plain_channel_without_the_file_does_not() -> None:
    with refusing(times=2) as (server, address), grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError, match="not now"):
            TaskServiceStub(channel).GetTask(pb.GetTaskRequest(id="a"))
        assert server.calls == ["GetTask"]


def test_a_stream_is_not_repeated_behind_the_back_of_who_reads_it() -> None:
    with (
        refusing(times=2) as (server, address),
        grpc.insecure_channel(address, WITH_THE_FILE) as channel,
    ):
        with pytest.raises(grpc.RpcError, match="not now"):
            next(TaskServiceStub(channel).WatchTasks(pb.WatchTasksRequest()))
        assert server.calls == ["WatchTasks"]


def test_a_users_options_win(shared_server: ServerProcess) -> None:
    options = [("grpc.max_receive_message_length", 1)]
    refused = pytest.raises(ResourceExhaustedError, match="larger than max")
    with Client(shared_server.address, options=options) as client, refused:
        client.create()

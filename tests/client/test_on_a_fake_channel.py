"""What the blocking client says to a channel, seen without a network."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc_testing
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus import Status
from idstatus.channel import Endpoint
from idstatus.clients import AllMethods
from idstatus.core.blocking import BlockingDriver
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

SERVICE = t.DESCRIPTOR.services_by_name["TaskService"]


FAKE: Any = grpc_testing.channel([SERVICE], grpc_testing.strict_real_time())


class FakeEndpoint(Endpoint):
    """Hands out a channel on which the test plays the server."""

    def channel(self, *, for_streams: bool = False) -> grpc.Channel:
        channel: grpc.Channel = FAKE
        return channel


class FakeClient(AllMethods, BlockingDriver):
    """The blocking client, on that channel."""


def test_a_call_carries_the_users_metadata_and_a_request_id_of_the_clients_own() -> None:
    client = FakeClient(FakeEndpoint("nowhere", metadata=[("who", "me")]), timeout=10)
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(client.create, b"work", queue="q")
        metadata, request, rpc = FAKE.take_unary_unary(SERVICE.methods_by_name["CreateTask"])
        rpc.send_initial_metadata(())
        now = Timestamp(seconds=1)
        task = m.Task(id="a", status=m.STATUS_QUEUED, execution=m.EXECUTION_NOT_STARTED)
        task.update_time.CopyFrom(now)
        task.create_time.CopyFrom(now)
        rpc.terminate(t.CreateTaskResponse(task=task), (), grpc.StatusCode.OK, "")
        assert creating.result(10).status is Status.QUEUED
    assert ("who", "me") in metadata
    assert (request.queue, request.payload) == ("q", b"work")
    assert request.request_id

"""The audit log: who cancelled, retried, deleted, paused, and who tried to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from access.people import api_of, everyone, static
from rpc.wire import refused, until

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m

SERVICE = "idstatus.v1.TaskService"


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[ServerProcess]:
    (tmp_path / "auth.toml").write_text(everyone())
    only_the_audit_log = ("--log-format", "json", "--log-level", "error")
    auth = ("--auth", str(tmp_path / "auth.toml"))
    server = ServerProcess(tmp_path, *auth, *only_the_audit_log).start()
    yield server
    server.stop()


async def test_who_changed_what_and_who_tried_to_is_kept(audited: ServerProcess) -> None:
    async with grpc.aio.insecure_channel(audited.address) as channel:
        producer, operator, viewer = (
            api_of(channel, static(name)) for name in ("producer", "operator", "viewer")
        )
        task = await producer.create("a-1", payload=b"a secret payload")
        await operator.update_queue("a-1", paused=True)
        await producer.cancel(task.id, message="no need")
        await refused(viewer.delete(task.id))
        elsewhere = await api_of(channel, static("root")).create("b-1")
        await refused(producer.cancel(elsewhere.id))
        await refused(producer.cancel("not an id"))
        await refused(api_of(channel, "a guess").cancel(task.id))
        again = await operator.retry(task.id)
        await operator.cancel_batch(filter=m.TaskFilter(queues=["a-1"]))
        await operator.delete(again.id)

        async def lines() -> list[dict[str, Any]]:
            found = [json.loads(line) for line in audited.log.read_text().splitlines()]
            kept = [line for line in found if line["logger"] == "idstatus_server.audit"]
            return kept if len(kept) == 7 else []

        told = [
            (line["principal"], line["method"].rpartition("/")[2], line["code"], line["request"])
            for line in await until(lines)
        ]
    assert told == [
        ("token:operator", "UpdateQueue", "OK", {"queue": {"name": "a-1", "paused": True}}),
        ("token:producer", "CancelTask", "OK", {"id": task.id, "message": "no need"}),
        ("token:viewer", "DeleteTask", "PERMISSION_DENIED", {"id": task.id}),
        ("token:producer", "CancelTask", "NOT_FOUND", {"id": elsewhere.id}),
        ("token:operator", "RetryTask", "OK", {"id": task.id}),
        ("token:operator", "BatchCancelTasks", "OK", {"filter": {"queues": ["a-1"]}}),
        ("token:operator", "DeleteTask", "OK", {"id": again.id}),
    ]
    assert "secret payload" not in audited.log.read_text()

"""The log says of each line during which call it was written, for whom and in which span."""

import json
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from access.people import everyone, static
from rpc.wire import Api, until
from telemetry.receiver import SERVICE, Receiver

from harness import SERVER, ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_service_pb2 as t
from idstatus_server.logs import JsonFormatter, TextFormatter


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[ServerProcess]:
    (tmp_path / "auth.toml").write_text(everyone())
    flags = ("--auth", str(tmp_path / "auth.toml"), "--log-format", "json")
    server = ServerProcess(tmp_path, *flags, "--otlp-endpoint", receiver.url).start()
    yield server
    server.kill()


async def test_a_line_names_its_call_and_neither_log_nor_trace_holds_a_secret(
    server: ServerProcess, receiver: Receiver
) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        root = [("authorization", f"Bearer {static('root')}")]
        api = Api(channel)
        request = t.CreateTaskRequest(queue="q", task_id="kept", payload=b"a secret payload")
        await api.tasks.CreateTask(request, metadata=root)
        claimed = await api.runners.ClaimTasks(r.ClaimTasksRequest(queues=["q"]), metadata=root)
        cancel = t.CancelTaskRequest(id="kept", request_id="once")
        await api.tasks.CancelTask(cancel, metadata=root)

    async def audited() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        return [line for line in lines if line["logger"] == "idstatus_server.audit"]

    (line,) = await until(audited)
    span = receiver.one(f"{SERVICE}/CancelTask", task_id="kept", request_id="once")
    assert span.facts["enduser.id"] == "token:root"
    assert span.context == f"00-{line['trace_id']}-{line['span_id']}"
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    told = {key: line[key] for key in ("method", "task_id", "request_id", "principal", "code")}
    assert line["pid"] == server.pid
    assert told == {
        "method": f"{SERVICE}/CancelTask",
        "task_id": "kept",
        "request_id": "once",
        "principal": "token:root",
        "code": "OK",
    }
    (claim,) = claimed.claims
    said = server.log.read_bytes() + b"".join(
        sent.SerializeToString() for sent in receiver.requests
    )
    for secret in (b"a secret payload", static("root").encode(), claim.lease_token.encode()):
        assert secret not in said


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("here", logging.INFO, "", 0, message, (), None)
    made.fields = fields
    return made


def test_what_is_too_long_or_no_text_is_cut_to_what_a_line_may_hold() -> None:
    line = JsonFormatter().format(
        record("not \udcff text", long="x" * 1_000_000, many=["y"] * 5000, deep={"\ud800": 1})
    )
    said = json.loads(line)
    assert (said["message"], said["deep"]) == ("not ? text", {"?": 1})
    assert (len(said["long"]), len(said["many"])) == (8193, 5000)  # the audit loses no id


def test_the_fields_of_a_line_for_people_come_last() -> None:
    line = TextFormatter().format(record("CancelTask by ann: OK", request={"id": "x"}))
    assert line.endswith(
        f'{os.getpid()} INFO here: CancelTask by ann: OK {{"request":{{"id":"x"}}}}'
    )


def test_what_keeps_the_server_from_starting_is_a_line_in_json_too() -> None:
    done = subprocess.run(
        [*SERVER, "--store", "sqlite:////dev/null/no/store", "--log-format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    said = json.loads(done.stderr)
    assert said["level"] == "critical"
    assert said["message"].startswith("cannot make the folder of /dev/null/no/store")

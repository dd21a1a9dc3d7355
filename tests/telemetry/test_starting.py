"""When there are traces, and when not; and that whoever takes them holds up nobody."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rpc.wire import Api, new
from telemetry.receiver import SERVICE, Receiver

from harness import SERVER, ServerProcess, free_port

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
UNTRACED = """
import sys
from idstatus import Client
from idstatus.testing import LocalServer
with LocalServer() as server, Client(server.address) as client:
    client.create(queue="q")
    (claim,) = client.claim(["q"])
print([name for name in sys.modules if name.startswith("opentelemetry")], repr(claim.traceparent))
"""
WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry"] = None
from idstatus_server.__main__ import main
main()
"""


def test_by_default_nothing_is_traced_and_nothing_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNTRACED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] ''\n"


@pytest.mark.parametrize(
    ("program", "environ", "said"),
    [
        ((sys.executable, "-c", WITHOUT_THE_EXTRA), "", "pip install 'idstatus[otel]'"),
        (SERVER, "OTEL_EXPORTER_OTLP_COMPRESSION=zip", "cannot trace to http://127.0.0.1:1: "),
    ],
    ids=["without the extra", "a bad variable"],
)
def test_what_keeps_it_from_tracing_is_told_in_one_line(
    tmp_path: Path, program: tuple[str, ...], environ: str, said: str
) -> None:
    store = f"sqlite:///{tmp_path / 'idstatus.db'}"
    flags = ("--store", store, "--otlp-endpoint", "http://127.0.0.1:1")
    done = subprocess.run(
        ["env", environ or "A=", *program, *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("idstatus-server: ")
    assert said in line


async def test_only_the_sampled_share_is_sent_and_a_runner_is_told(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    server = ServerProcess(tmp_path, "--otlp-endpoint", receiver.url).start()
    async with Api.at(server.address) as api:
        await api.create("q", task_id="left-out")
        (claim,) = await api.claim("q")
        said = (("traceparent", f"{CALLER}-01"),)
        await api.tasks.CreateTask(new("q", task_id="let-in"), metadata=said)
        said = (("traceparent", f"{CALLER}-00"),)
        await api.tasks.CreateTask(new("q", task_id="left-out-too"), metadata=said)
    assert server.stop() == 0
    flags = int(claim.traceparent.rpartition("-")[2], 16)
    assert not flags & 1  # the runner's own tracer need not decide again
    assert receiver.one(f"{SERVICE}/CreateTask", task_id="let-in").parent == CALLER
    for left_out in ("left-out", "left-out-too"):
        assert receiver.named(f"{SERVICE}/CreateTask", task_id=left_out) == []


async def test_a_receiver_that_is_away_or_hangs_holds_up_nobody(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    with Receiver(hangs=True) as hanging:
        await asyncio.gather(
            unharmed(tmp_path, f"http://127.0.0.1:{free_port()}"),
            unharmed(tmp_path_factory.mktemp("hangs"), hanging.url),
        )
        assert hanging.asked.is_set()


async def unharmed(folder: Path, url: str) -> None:
    """Fill the queue of a server's spans; all calls are answered, and it ends in time."""
    server = ServerProcess(folder, "--otlp-endpoint", url).start()
    async with Api.at(server.address) as api:
        async with asyncio.timeout(10):
            await asyncio.gather(*(api.create("q") for _ in range(200)))
    began = time.monotonic()
    assert await asyncio.to_thread(server.stop) == 0
    # The last spans have 2 s; gRPC and the drain have theirs, and the machine may be busy.
    assert time.monotonic() - began < 8

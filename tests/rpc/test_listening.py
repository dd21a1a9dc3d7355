"""Where the server listens."""

import subprocess
from pathlib import Path

import grpc
import pytest

from harness import SERVER, ServerProcess, free_port
from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub


async def answers(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        await QueueServiceStub(channel).ListQueues(q.ListQueuesRequest(), timeout=10)
    return True


async def test_a_server_listens_at_several_addresses(tmp_path: Path, short_folder: Path) -> None:
    server = ServerProcess(tmp_path)
    more = f"unix:{short_folder}/a.sock,unix://{short_folder}/b.sock,localhost:{free_port()}"
    addresses = [server.address, *more.split(",")]
    server.start("--listen", ",".join(addresses))
    for address in addresses:
        assert address in server.said
        assert await answers(address)
    assert server.stop() == 0


async def test_the_port_0_becomes_the_one_that_was_given(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path).start("--listen", "127.0.0.1:0")
    address = server.said.split()[4].rstrip(",")
    assert not address.endswith(":0")
    assert await answers(address)
    server.kill()


async def test_a_socket_that_a_dead_server_left_is_taken_over(
    tmp_path: Path, short_folder: Path
) -> None:
    address = f"unix:{short_folder}/s.sock"
    server = ServerProcess(tmp_path).start("--listen", address)
    server.kill()
    server.start("--listen", address)
    assert await answers(address)
    server.kill()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere", "it must be HOST:PORT or unix:PATH"),
        ("127.0.0.1:99999", "it must be HOST:PORT or unix:PATH"),
        ("no.such.host.invalid:1", "cannot listen on no.such.host.invalid:1"),
        ("unix:/proc/none/s.sock", "the folder is not writable"),
    ],
)
def test_an_address_that_cannot_be_had_is_one_clear_line(
    tmp_path: Path, address: str, said: str
) -> None:
    done = refused(tmp_path, address)
    assert said in done
    assert len(done.splitlines()) == 1


def test_a_socket_that_another_server_serves_is_left_alone(
    tmp_path: Path, short_folder: Path
) -> None:
    address = f"unix:{short_folder}/s.sock"
    server = ServerProcess(tmp_path).start("--listen", address)
    assert "another server does" in refused(tmp_path / "other", address)
    server.kill()


def refused(folder: Path, address: str) -> str:
    store = f"sqlite:///{folder}/idstatus.db"
    done = subprocess.run(
        [*SERVER, "--listen", address, "--store", store, "--insecure"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr

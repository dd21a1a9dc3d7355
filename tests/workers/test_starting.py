"""Where workers listen, and what is refused in one line."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Certificates
from watch.sites import Site
from workers.crew import Crew, refused

from harness import ServerProcess, free_port
from idstatus_server import config
from idstatus_server.errors import StartError
from idstatus_server.rpc.listening import hold
from idstatus_server.rpc.tls import Door


async def test_the_port_0_becomes_one_port_for_all(tmp_path: Path, store: str, queue: str) -> None:
    server = ServerProcess(tmp_path, store=store)
    server.start("--workers", "2", "--listen", "127.0.0.1:0,localhost:0")
    crew = Crew(server)
    assert crew.port
    assert len(crew.workers) == 2
    for address in server.said.split()[4:6]:
        async with Site(address.rstrip(",")) as site:
            assert (await site.create(queue=queue)).queue == queue
    assert server.stop() == 0


def test_one_worker_is_the_server_itself(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--workers", "1").start()
    assert Crew(server).parent.children() == []
    assert "processes" not in server.said
    server.kill()


def test_the_variable_sets_how_many_there_are() -> None:
    assert config.read([], {"IDSTATUS_WORKERS": "3"}).workers == 3


def test_sqlite_is_refused_with_the_reason(tmp_path: Path) -> None:
    said = refused("--workers", "2", "--store", f"sqlite:///{tmp_path}/idstatus.db")
    assert "--workers needs PostgreSQL: a SQLite file has one writer at a time" in said
    assert list(tmp_path.iterdir()) == []


def test_a_unix_socket_is_refused_with_the_reason(tmp_path: Path, store: str) -> None:
    said = refused("--workers", "2", "--store", store, "--listen", f"unix:{tmp_path}/s")
    assert "a unix socket belongs to one process" in said


def test_other_machines_are_not_served_without_tls() -> None:
    url = "postgresql://nobody@127.0.0.1/none"
    said = refused("--workers", "2", "--store", url, "--listen", "0.0.0.0:0")
    assert said.startswith("idstatus-server: cannot listen on 0.0.0.0:0 without TLS")


def test_every_worker_shows_the_certificate_that_the_files_have_now(
    tmp_path: Path, store: str
) -> None:
    certificates = Certificates(tmp_path)
    server = ServerProcess(tmp_path, "--workers", "2", *certificates.flags, store=store).start()
    for _ in range(2):
        shown = {certificates.shown_at(server.address) for _ in range(20)}
        assert shown == {certificates.newest}
        certificates.renew()
    assert server.stop() == 0


def test_a_store_that_cannot_be_used_is_told_once() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    said = refused("--workers", "3", "--store", url, "--listen", f"127.0.0.1:{free_port()}")
    assert said.startswith("idstatus-server: cannot connect to the database: ")


def test_a_port_in_use_is_refused(shared_server: ServerProcess, store: str) -> None:
    address = shared_server.address
    said = refused("--workers", "2", "--store", store, "--listen", address)
    assert said == f"idstatus-server: cannot listen on {address}: Address already in use"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_other_server_shares_the_workers_port(crew: Crew, store: str, workers: str) -> None:
    address = crew.server.address
    said = refused("--workers", workers, "--store", store, "--listen", address)
    assert said == f"idstatus-server: cannot listen on {address}: Address already in use"


@pytest.fixture
def held() -> Iterator[tuple[str, int]]:
    """A port that is kept while no worker listens."""
    holder, address = hold("127.0.0.1:0", Door())
    with holder:
        host, _, port = address.rpartition(":")
        yield host, int(port)


def test_a_held_port_is_kept_though_no_worker_listens(held: tuple[str, int], store: str) -> None:
    address = f"{held[0]}:{held[1]}"
    with pytest.raises(StartError, match="Address already in use"):
        hold(address, Door())
    assert "already in use" in refused("--store", store, "--listen", address)


def test_a_held_port_takes_no_connection_from_a_worker(held: tuple[str, int]) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(held)
    with socket.socket() as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(held)
        worker.listen(200)
        for _ in range(100):
            with socket.create_connection(held, timeout=10):
                worker.accept()[0].close()

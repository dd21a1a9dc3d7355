"""The server's own TLS: who is let in, and certificates that are replaced while it serves."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from certificates import Certificates
from cryptography.hazmat.primitives import serialization
from rpc.wire import Api, refused, until
from workers import crew

from harness import ServerProcess, free_port
from idstatus import tls_credentials
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import TaskFilter
from idstatus_server.errors import StartError
from idstatus_server.rpc.tls import Certificates as TlsFiles
from idstatus_server.rpc.tls import Door


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def mutual(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[ServerProcess]:
    """A server that asks its clients for a certificate."""
    folder = tmp_path_factory.mktemp("mutual")
    server = ServerProcess(folder, *certificates.mutual_flags).start()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture
def own_certificates(tmp_path: Path) -> Certificates:
    """Certificates of the test's own, to be replaced."""
    return Certificates(tmp_path)


@pytest.fixture
def own(
    start_server: Callable[..., ServerProcess], own_certificates: Certificates
) -> ServerProcess:
    """A server with them, which takes any client."""
    return start_server(*own_certificates.flags)


async def answer(address: str, credentials: grpc.ChannelCredentials | None) -> str:
    """Return the code by which a call ends whose task is unknown, if it reaches the server."""
    async with (
        grpc.aio.secure_channel(address, credentials)
        if credentials
        else grpc.aio.insecure_channel(address)
    ) as channel:
        return (await refused(Api(channel).status("x"))).code


async def test_a_client_that_trusts_the_authority_and_has_its_certificate_is_served(
    mutual: ServerProcess, certificates: Certificates
) -> None:
    assert await answer(mutual.address, certificates.credentials) == "NOT_FOUND"


async def test_a_client_without_a_certificate_or_with_a_foreign_one_is_not_let_in(
    mutual: ServerProcess, certificates: Certificates, tmp_path: Path
) -> None:
    foreign = Certificates(tmp_path)
    foreign.ca = certificates.ca
    for credentials in (tls_credentials(ca=certificates.ca), foreign.credentials):
        assert await answer(mutual.address, credentials) == "UNAVAILABLE"


async def test_without_a_ca_for_clients_they_need_no_certificate_but_must_trust_the_server(
    own: ServerProcess, own_certificates: Certificates, certificates: Certificates
) -> None:
    assert await answer(own.address, tls_credentials(ca=own_certificates.ca)) == "NOT_FOUND"
    assert await answer(own.address, tls_credentials(ca=certificates.ca)) == "UNAVAILABLE"
    assert await answer(own.address, None) == "UNAVAILABLE"


async def test_new_connections_are_shown_the_new_certificate_and_those_that_stand_lose_nothing(
    own: ServerProcess, own_certificates: Certificates, queue: str
) -> None:
    made: list[str] = []
    enough = asyncio.Event()

    async def produce(api: Api) -> None:
        while not enough.is_set():
            made.append((await api.create(queue)).id)

    async def has_made_more(than: int) -> bool:
        return len(made) > than

    async with grpc.aio.secure_channel(
        own.address, tls_credentials(ca=own_certificates.ca)
    ) as channel:
        api = Api(channel)
        watch = api.tasks.WatchTasks(t.WatchTasksRequest(filter=TaskFilter(queues=[queue])))
        assert (await watch.read()).resume_token
        producing = asyncio.create_task(produce(api))
        for _ in range(3):
            own_certificates.renew()
            new = await asyncio.to_thread(own_certificates.shown_at, own.address)
            assert new == own_certificates.newest
            seen = len(made)
            await until(partial(has_made_more, seen))
        enough.set()
        await producing
        told: list[str] = []
        while len(told) < len(made):
            told += [change.id_status.id for change in (await watch.read()).changes]
    assert told == made
    assert own.log.read_text().count("is new, and is used now") == 3


def test_a_half_replaced_pair_does_not_count_until_the_other_half_is_there(
    own: ServerProcess, own_certificates: Certificates
) -> None:
    old, old_key = own_certificates.newest, own_certificates.server_key.read_bytes()
    own_certificates.renew()
    new, new_key = own_certificates.newest, own_certificates.server_key.read_bytes()
    for half in (old_key, b""):
        own_certificates.server_key.write_bytes(half)
        assert [own_certificates.shown_at(own.address) for _ in range(3)] == [old] * 3
    own_certificates.server_key.unlink()
    assert own_certificates.shown_at(own.address) == old
    own_certificates.server_key.write_bytes(new_key)
    assert own_certificates.shown_at(own.address) == new
    log = own.log.read_text()
    assert log.count("server.key has no key in PEM") == 1
    assert log.count("server.key: No such file or directory: what was used before") == 1


async def test_each_port_has_the_new_certificate_and_a_unix_socket_does_without(
    own_certificates: Certificates, start_server: Callable[..., ServerProcess], short_folder: Path
) -> None:
    ports = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    door = f"unix:{short_folder}/s"
    server = start_server(*own_certificates.flags, "--listen", ",".join((*ports, door)))
    own_certificates.renew()
    new = own_certificates.newest
    assert [own_certificates.shown_at(port) for port in ports * 2] == [new] * 4
    assert await answer(door, None) == "NOT_FOUND"
    assert server.log.read_text().count("is used now") == 1


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "db1:1", "localhost.x:1", "127.0.0.1.x:1"]
)
def test_other_machines_are_not_served_without_tls_unless_it_is_asked_for(
    address: str, certificates: Certificates
) -> None:
    host = address.removesuffix(":1")
    with pytest.raises(StartError, match=r"without TLS.* --tls-cert and --tls-key, or --insecure"):
        Door().check(address, host)
    Door(insecure=True).check(address, host)
    Door(TlsFiles(certificates.server_cert, certificates.server_key, None)).check(address, host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_served_without_tls(host: str) -> None:
    Door().check(f"{host}:1", host)


def test_the_program_refuses_to_serve_other_machines_and_does_so_if_told(
    tmp_path: Path, start_server: Callable[..., ServerProcess]
) -> None:
    words = ("--store", f"sqlite:///{tmp_path}/idstatus.db", "--listen")
    assert "cannot listen on 0.0.0.0:0 without TLS" in crew.refused(*words, "0.0.0.0:0")
    assert "listens on 0.0.0.0:" in start_server("--insecure", "--listen", "0.0.0.0:0").said


@pytest.fixture
def bad(tmp_path: Path, certificates: Certificates) -> dict[str, Path]:
    """Files that are of no use, by what is the matter with them."""
    contents = {
        "empty": b"",
        "binary": b"\x00\xff\n",
        "cut off": certificates.server_cert.read_bytes()[:200],
        "locked": locked(certificates.server_key.read_bytes()),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in (*contents, "missing")}


def locked(key: bytes) -> bytes:
    """Return a key that only a password opens."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"sesame"),
    )


def test_files_that_are_of_no_use_are_named(
    bad: dict[str, Path], certificates: Certificates
) -> None:
    good = (certificates.server_cert, certificates.server_key, Path(certificates.ca))
    TlsFiles(*good)
    for place, fault in enumerate(("no certificate in PEM", "no key in PEM", "no certificate")):
        for name, path in bad.items():
            files = [*good[:place], path, *good[place + 1 :]]
            said = "cannot read .*: No such file" if name == "missing" else f" has {fault}"
            with pytest.raises(StartError, match=said) as refusal:
                TlsFiles(*files)
            assert str(path) in str(refusal.value)

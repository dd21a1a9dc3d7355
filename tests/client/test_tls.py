"""TLS and bearer tokens: the client before a server that asks for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from access.people import entry, static
from certificates import Certificates

from harness import ServerProcess
from idstatus import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    UnauthenticatedError,
    UnavailableError,
    tls_credentials,
)

TOKEN = static("me")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("secured")
    (folder / "auth.toml").write_text(entry("me", "admin"))
    flags = (*certificates.mutual_flags, "--auth", str(folder / "auth.toml"))
    server = ServerProcess(folder, *flags).start()
    yield server
    server.stop()


def test_a_client_shows_its_certificate_and_its_token(
    server: ServerProcess, certificates: Certificates, queue: str
) -> None:
    with Client(server.address, credentials=certificates.credentials, token=TOKEN) as client:
        task = client.create(queue=queue)
        client.cancel(task.id)
        (change,) = client.watch([task.id])
        assert change.id_status.id == task.id


async def test_a_token_is_asked_for_before_each_call(
    server: ServerProcess, certificates: Certificates, queue: str
) -> None:
    tokens = iter(["wrong", TOKEN])
    address, credentials = server.address, certificates.credentials
    async with AsyncClient(address, credentials=credentials, token=lambda: next(tokens)) as client:
        with pytest.raises(UnauthenticatedError):
            await client.get("x")
        assert (await client.create(queue=queue)).queue == queue


def test_a_server_that_the_authority_does_not_vouch_for_is_not_spoken_to(
    server: ServerProcess, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Certificates(tmp_path)
    for ca in (stranger.ca, None):
        credentials = tls_credentials(ca=ca, certificate=certificates.cert, key=certificates.key)
        with (
            Client(server.address, credentials=credentials, token=TOKEN, timeout=1) as client,
            pytest.raises((UnavailableError, DeadlineExceededError)),
        ):
            client.status("x")


def test_a_certificate_goes_with_its_key(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="go together"):
        tls_credentials(certificate=certificates.cert)
    with pytest.raises(FileNotFoundError):
        tls_credentials(ca="/nowhere/ca.pem")


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/tmp/x"])
def test_without_tls_a_token_goes_to_this_machine(address: str) -> None:
    with Client(address, token=TOKEN) as client:
        assert client.endpoint.call_metadata() == (("authorization", f"Bearer {TOKEN}"),)


@pytest.mark.parametrize("address", ["db1:1", "10.0.0.1:1", "127.0.0.1.example:1", "localhost.x:1"])
def test_without_tls_a_token_goes_to_no_other_machine(address: str) -> None:
    with pytest.raises(ValueError, match="without TLS"):
        Client(address, token=TOKEN)

"""TLS and bearer tokens, before a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Certificates
from gate import TOKEN, Gate, gate_before

from harness import ServerProcess
from idstatus import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    UnauthenticatedError,
    UnavailableError,
    tls_credentials,
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def gate(shared_server: ServerProcess, certificates: Certificates) -> Iterator[Gate]:
    with gate_before(shared_server.address, certificates) as gate:
        yield gate


def test_a_client_shows_its_certificate_and_its_token(
    gate: Gate, certificates: Certificates, queue: str
) -> None:
    credentials = tls_credentials(
        ca=certificates.ca, certificate=certificates.cert, key=certificates.key
    )
    with Client(gate.address, credentials=credentials, token=TOKEN) as client:
        task = client.create(queue=queue)
        client.cancel(task.id)
        (change,) = client.watch([task.id])
        assert change.id_status.id == task.id
    assert set(gate.callers) == {"client.example"}


async def test_a_token_is_asked_for_before_each_call(
    gate: Gate, certificates: Certificates, queue: str
) -> None:
    tokens = iter(["wrong", TOKEN])
    credentials = tls_credentials(
        ca=certificates.ca, certificate=certificates.cert, key=certificates.key
    )
    address = gate.address
    async with AsyncClient(address, credentials=credentials, token=lambda: next(tokens)) as client:
        with pytest.raises(UnauthenticatedError):
            await client.get("x")
        assert (await client.create(queue=queue)).queue == queue


def test_a_server_that_the_authority_does_not_vouch_for_is_not_spoken_to(
    gate: Gate, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Certificates(tmp_path)
    for ca in (stranger.ca, None):
        credentials = tls_credentials(ca=ca, certificate=certificates.cert, key=certificates.key)
        with (
            Client(gate.address, credentials=credentials, token=TOKEN, timeout=1) as client,
            pytest.raises((UnavailableError, DeadlineExceededError)),
        ):
            client.status("x")
    assert gate.callers == []


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

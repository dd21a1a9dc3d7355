"""Who is known by the name on a certificate."""

from pathlib import Path

import grpc
from access.people import LIST, entry, kind, knock, static
from certificates import Certificates

from harness import ServerProcess

CREATE = "idstatus.v1.TaskService/CreateTask"


async def test_a_certificate_is_known_by_its_name_and_a_token_beside_it_must_be_good(
    tmp_path: Path,
) -> None:
    ours = Certificates(tmp_path)
    certificate = "[[certificates]]\nname = 'client.example'\ngrants = ['viewer']\n"
    (tmp_path / "auth.toml").write_text(certificate + entry("boss", "admin"))
    flags = (*ours.mutual_flags, "--auth", str(tmp_path / "auth.toml"))
    server = ServerProcess(tmp_path, *flags).start()
    async with grpc.aio.secure_channel(server.address, ours.credentials) as channel:
        assert await knock(channel, LIST) is None
        assert kind(await knock(channel, CREATE)) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        assert await knock(channel, CREATE, static("boss")) is None
        bad = await knock(channel, LIST, "guess")
        assert kind(bad) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    (tmp_path / "auth.toml").write_text(certificate.replace("client", "another"))
    server.stop()
    server.start()
    async with grpc.aio.secure_channel(server.address, ours.credentials) as channel:
        assert kind(await knock(channel, LIST)) == ("UNAUTHENTICATED", "NO_CREDENTIALS")
    server.stop()

"""Secrets are in no log, metric, error, channelz answer or list of processes."""

import json
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import grpc
from access.people import Issuer, api_of, bearer, entry, publish, static, trust
from certificates import Certificates
from google.protobuf.json_format import MessageToJson
from grpc_channelz.v1 import channelz_pb2 as c
from grpc_channelz.v1.channelz_pb2_grpc import ChannelzStub
from rpc.wire import Api, lease, report

from harness import ServerProcess, free_port
from idstatus.v1 import task_pb2 as m

PAYLOAD, RESULT = b"payload-4f1c", b"result-9e2d"


async def outcomes(api: Api, queue: str) -> list[str]:
    """Use and misuse what is secret; return the lease tokens."""
    task = await api.create(queue, payload=PAYLOAD)
    (claim,) = await api.claim(queue)
    await api.extend(lease(claim))
    await api.finish_all(report(claim, token=claim.lease_token[:-1], success=m.Success()))
    await api.succeed(claim, RESULT)
    await api.finish_all(report(claim, success=m.Success(result=b"other")))
    assert (await api.get(task.id)).payload == PAYLOAD
    again = await api.retry(task.id)
    await api.cancel(again.id)
    return [claim.lease_token]


async def refusals(channel: grpc.aio.Channel, *shown: Any) -> list[str]:
    """Return all that is told to those who show what is not valid."""
    told = []
    for metadata in shown:
        call: Any = channel.unary_unary("/idstatus.v1.TaskService/ListTasks")
        try:
            await call(b"", metadata=metadata)
        except grpc.aio.AioRpcError as error:
            told.append(f"{error!r} {error.trailing_metadata()!r}")
    return told


async def seen_by_channelz(channel: grpc.aio.Channel, token: str) -> list[str]:
    known: Any = channel
    stub: Any = ChannelzStub(known)
    asked = {"metadata": bearer(token)}
    servers = await stub.GetServers(c.GetServersRequest(), **asked)
    top = await stub.GetTopChannels(c.GetTopChannelsRequest(), **asked)
    seen = [servers, top]
    for server in servers.server:
        request = c.GetServerSocketsRequest(server_id=server.ref.server_id)
        sockets = await stub.GetServerSockets(request, **asked)
        wanted = [c.GetSocketRequest(socket_id=ref.socket_id) for ref in sockets.socket_ref]
        seen += [await stub.GetSocket(request, **asked) for request in wanted]
    return [MessageToJson(message) for message in seen]


def seen_from_outside(server: ServerProcess, metrics: str) -> list[str]:
    """Return the metrics, the command line and, in the end, the log."""
    with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
        counted = answer.read().decode()
    command = Path(f"/proc/{server.pid}/cmdline").read_text()
    server.stop()
    return [counted, command, server.log.read_text()]


async def test_planted_secrets_are_found_nowhere(tmp_path: Path, queue: str) -> None:
    certificates, issuer = Certificates(tmp_path), Issuer()
    publish(tmp_path / "keys.json", issuer)
    auth = tmp_path / "auth.toml"
    auth.write_text(entry("me", "admin") + trust(tmp_path / "keys.json"))
    metrics = f"127.0.0.1:{free_port()}"
    flags = ("--auth", str(auth), "--metrics-listen", metrics, *certificates.mutual_flags)
    logged = ("--log-level", "debug", "--log-format", "json")
    server = ServerProcess(tmp_path, *flags, *logged).start()
    jwt, expired = issuer.token("admin"), issuer.token("admin", lasts=-3600)
    guess = "guess-77aa"
    secrets = [static("me"), jwt, expired, guess]
    for body in (PAYLOAD, RESULT):
        secrets += [body.decode(), b64encode(body).decode()]
    async with grpc.aio.secure_channel(server.address, certificates.credentials) as channel:
        for token in (static("me"), jwt):
            secrets += await outcomes(api_of(channel, token), queue)
        basic = (("authorization", f"Basic {guess}"),)
        told = await refusals(channel, bearer(guess), bearer(expired), basic)
        assert len(told) == 3
        told += await seen_by_channelz(channel, jwt)
    told += seen_from_outside(server, metrics)
    assert len(json.loads(told[-1].splitlines()[0])) > 1
    secrets.append(certificates.server_key.read_text().splitlines()[1])
    for secret in secrets:
        assert not [text for text in told if secret in text]

"""Tokens of an issuer: signed with its key, for us, in their time, with claims that we know."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from access.people import LIST, SKEW, Issuer, bearer, entry, kind, knock, publish, static, trust
from rpc.wire import Api, refused, until

from harness import ServerProcess

BAD = ("UNAUTHENTICATED", "BAD_CREDENTIALS")
NOT_PERMITTED = ("PERMISSION_DENIED", "NOT_PERMITTED")
EXPIRED = ("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")


async def said(channel: grpc.aio.Channel, token: str) -> tuple[str, str] | None:
    """Return how a call with this token was refused."""
    return kind(await knock(channel, LIST, token))


async def test_a_token_is_good_until_it_expires_give_or_take_the_skew(
    channel: grpc.aio.Channel, issuer: Issuer
) -> None:
    assert await said(channel, issuer.token("viewer")) is None
    assert await said(channel, issuer.token("viewer", lasts=-SKEW / 10)) is None
    assert await said(channel, issuer.token("viewer", lasts=-2 * SKEW)) == EXPIRED
    assert await said(channel, issuer.token("viewer", nbf=time.time() + 3600)) == BAD


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 10**400},
        {"sub": "two\nlines"},
        {"sub": "\ud800"},
        {"sub": 7},
    ],
    ids=str,
)
async def test_a_token_for_another_or_of_another_or_without_an_end_is_bad(
    channel: grpc.aio.Channel, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert await said(channel, issuer.token("viewer", **claims)) == BAD


async def test_a_token_without_a_signature_or_with_a_shared_secret_is_bad(
    channel: grpc.aio.Channel, issuer: Issuer
) -> None:
    claims = jwt.decode(issuer.token("admin"), options={"verify_signature": False})
    header = {"kid": issuer.key_id}
    unsigned = jwt.encode(claims, "", "none", header)
    shared = jwt.encode(claims, "a secret that is long enough for that", "HS256", header)
    for token in (unsigned, shared, issuer.token("admin")[:-4] + "AAAA", "x", "x.y.z", "~~"):
        assert await said(channel, token) == BAD


@pytest.mark.parametrize(
    "claim",
    [["viewer"], "viewer", "openid viewer", ["unknown", 7, {"x": 1}, "viewer:*"]],
    ids=str,
)
async def test_a_claim_is_a_list_or_words_and_what_means_nothing_grants_nothing(
    channel: grpc.aio.Channel, issuer: Issuer, claim: object
) -> None:
    assert await said(channel, issuer.token(idstatus=claim)) is None


@pytest.mark.parametrize("claim", [[], "", None, 7, {"viewer": 1}, ["Viewer"], ["viewer:A"]])
async def test_a_claim_that_grants_nothing_lets_nobody_in(
    channel: grpc.aio.Channel, issuer: Issuer, claim: object
) -> None:
    token = issuer.token(idstatus=claim)
    assert await said(channel, token) == NOT_PERMITTED


async def test_of_several_tokens_or_another_scheme_none_counts(
    channel: grpc.aio.Channel, issuer: Issuer
) -> None:
    good = f"Bearer {issuer.token('viewer')}"
    call: Any = channel.unary_unary(f"/{LIST}")
    for shown in ([good, good], [good.replace("Bearer", "Basic")]):
        metadata = tuple(("authorization", value) for value in shown)
        assert (await refused(call(b"", metadata=metadata))).kind == BAD
    assert isinstance(
        await call(b"", metadata=(("authorization", good.lower()[:7] + good[7:]),)), bytes
    )


async def test_a_header_is_not_repeated_in_the_log_as_it_is(
    guarded: ServerProcess, channel: grpc.aio.Channel
) -> None:
    claims = {"sub": "x"}
    forged = jwt.encode(claims, "", "none", {"crit": ["a\nforged line"], "kid": "first"})
    assert await said(channel, forged) == BAD
    assert "\nforged line" not in guarded.log.read_text()


class KeyServer:
    """Serves a JWK set over HTTP, not at once, and counts who asks."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.issuers: list[Issuer] = []
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the library's name
                outer.asked += 1
                time.sleep(outer.delay)
                body = json.dumps({"keys": [i.published for i in outer.issuers]}).encode()
                self.send_response(200 if outer.issuers else 503)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    server = KeyServer()
    yield server
    server.stop()


async def test_keys_come_from_a_url_change_there_and_may_be_away(
    keys: KeyServer, tmp_path: Path
) -> None:
    old, new = Issuer("old"), Issuer("new")
    auth = tmp_path / "auth.toml"
    auth.write_text(trust(keys.url))
    server = ServerProcess(tmp_path, "--auth", str(auth)).start()
    async with Api.at(server.address) as api:
        channel = api.channel
        away = await knock(channel, LIST, old.token("viewer"))
        assert away
        assert away.kind == ("UNAVAILABLE", "KEYS_UNAVAILABLE")
        assert away.retry_after

        keys.issuers = [old]
        await until(lambda: _let_in(channel, old))
        asked, token = keys.asked, old.token("viewer")
        for _ in range(20):  # keys are kept, and unknown ones asked for once in a while
            assert await said(channel, token) is None
            assert await said(channel, new.token("viewer")) == BAD
        assert keys.asked <= asked + 1

        keys.issuers, keys.delay = [new], 0.3

        async def let_in_beside_strangers() -> bool:
            stranger: Any = channel.unary_unary(f"/{LIST}")
            asked = stranger(b"", metadata=bearer(Issuer("unknown").token()), timeout=0.01)
            await asyncio.gather(asked, return_exceptions=True)
            return await _let_in(channel, new)

        await until(let_in_beside_strangers)
        assert await said(channel, token) == BAD
        keys.issuers = []
        assert await said(channel, new.token("viewer")) is None
    server.stop()


async def test_a_table_of_grants_is_all_there_is_and_an_edit_of_the_file_costs_no_keys(
    tmp_path: Path,
) -> None:
    issuer, auth, published = Issuer(), tmp_path / "auth.toml", tmp_path / "keys.json"
    publish(published, issuer)
    auth.write_text(f"{trust(published)}[jwt.grants]\n")
    server = ServerProcess(tmp_path, "--auth", str(auth)).start()
    async with Api.at(server.address) as api:
        assert await said(api.channel, issuer.token("admin")) == NOT_PERMITTED
        auth.write_text(f"{trust(published)}[jwt.grants]\nteam = ['viewer']\n")
        await until(lambda: _let_in(api.channel, issuer, "team"))
        assert await said(api.channel, issuer.token("admin")) == NOT_PERMITTED
        published.unlink()
        auth.write_text(auth.read_text() + entry("ann", "viewer"))

        async def ann_is_let_in() -> bool:
            return await said(api.channel, static("ann")) is None

        await until(ann_is_let_in)
        assert await _let_in(api.channel, issuer, "team")
    server.stop()


async def _let_in(channel: grpc.aio.Channel, issuer: Issuer, grant: str = "viewer") -> bool:
    return await said(channel, issuer.token(grant)) is None

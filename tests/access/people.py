"""Those who call in these tests: an issuer of tokens, and the file that says what each may do."""

import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from rpc.wire import Api, Refusal, refused, rich, until

from idstatus_server.access import Role

# What grpc.aio tells instead of a call's status if it is refused just as the client writes.
CORE = "Internal error from Core"
# What every role but a runner's may call.
LIST = "idstatus.v1.TaskService/ListTasks"
ISSUER, AUDIENCE = "https://issuer.example/", "idstatus"
SKEW = 2


class Issuer:
    """Signs tokens, and publishes its keys."""

    def __init__(self, key_id: str = "first") -> None:
        self.key_id = key_id
        self._key = generate_private_key(SECP256R1())

    @property
    def published(self) -> dict[str, Any]:
        """Its key as one of a JWK set."""
        told = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {**told, "kid": self.key_id, "use": "sig", "alg": "ES256"}

    def token(self, *grants: str, lasts: float = 3600, **claims: Any) -> str:
        """Return a token that grants so much and lasts so many seconds."""
        body = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "somebody",
            "exp": time.time() + lasts,
            "idstatus": list(grants),
        }
        kept = {name: value for name, value in (body | claims).items() if value is not None}
        return jwt.encode(kept, self._key, "ES256", {"kid": self.key_id})


def publish(path: Path, *issuers: Issuer) -> None:
    """Write a JWK set."""
    path.write_text(json.dumps({"keys": [issuer.published for issuer in issuers]}))


def static(name: str) -> str:
    """Return the static token of someone."""
    return f"static-token-of-{name}"


def entry(name: str, *grants: str) -> str:
    """Return the lines of the file for a static token."""
    digest = hashlib.sha256(static(name).encode()).hexdigest()
    return f"[[tokens]]\nname = {name!r}\nsha256 = {digest!r}\ngrants = {list(grants)}\n"


def trust(keys: object) -> str:
    """Return the lines of the file for the issuer's tokens."""
    return (
        f"[jwt]\nissuer = {ISSUER!r}\naudience = {AUDIENCE!r}\nkeys = {str(keys)!r}\n"
        f"skew = {SKEW}\n"
    )


def everyone() -> str:
    """Return the lines for one of each role in the queues ``a-*``, and an admin of all."""
    bounded = [entry(role.value, f"{role}:a-*") for role in Role]
    return "".join([entry("root", "admin"), *bounded])


def bearer(token: str) -> Sequence[tuple[str, str]]:
    """Return what is sent with a call."""
    return (("authorization", f"Bearer {token}"),) if token else ()


async def knock(channel: grpc.aio.Channel, method: str, token: str = "") -> Refusal | None:
    """Call any method with an empty request; return how it was refused, None if it was not."""
    make: Any = channel.stream_stream(f"/{method}")
    call = make(iter([b""]), metadata=bearer(token))
    try:
        async for _ in call:
            break
    except grpc.aio.AioRpcError as error:
        if error.details() == CORE:
            return await knock(channel, method, token)
        return rich(error)
    finally:
        call.cancel()
    return None


async def let_in(channel: grpc.aio.Channel, token: str) -> None:
    """Return once the bearer of a token may call."""

    async def may() -> bool:
        return await knock(channel, LIST, token) is None

    await until(may)


async def kept_out(channel: grpc.aio.Channel, token: str) -> None:
    """Return once the bearer of a token may not call."""

    async def may_not() -> bool:
        return await knock(channel, LIST, token) is not None

    await until(may_not)


async def end_of(stream: Any) -> Refusal:
    """Read a stream to its end, and return how that was refused."""

    async def read() -> None:
        while await stream.read() is not grpc.aio.EOF:
            pass

    return await refused(read())


def kind(refusal: Refusal | None) -> tuple[str, str] | None:
    """Return a refusal's code and reason, None if there was none."""
    return refusal.kind if refusal else None


class Signed:
    """A channel on which every call carries the same token."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._channel = channel
        self._bearer = bearer(token)

    def __getattr__(self, kind: str) -> Any:
        """Return what makes calls of a kind, as ``unary_unary``."""

        def make(*about: Any, **more: Any) -> Any:
            return partial(getattr(self._channel, kind)(*about, **more), metadata=self._bearer)

        return make


def api_of(channel: grpc.aio.Channel, token: str) -> Api:
    """Return the services as the bearer of a token calls them."""
    signed: Any = Signed(channel, token)
    return Api(signed)

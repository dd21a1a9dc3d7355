"""Where the server is and how to reach it: channel options and the service config."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio

Options = Sequence[tuple[str, Any]]
Metadata = Sequence[tuple[str, str | bytes]]
Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or what returns it: asked for each call, for a token that changes."""

SERVICE_CONFIG = resources.files(__package__).joinpath("service_config.json").read_text()
"""Deadlines, and how often a call is repeated after UNAVAILABLE: for clients of any language.

A repeat is safe: reads and replays change nothing, and every write whose repeat would count
carries a request id. Streams are left out, for a retry policy never resumes one that has begun:
a watch and a runner resume by themselves.
"""

_OPTIONS: Options = (
    ("grpc.service_config", SERVICE_CONFIG),
    # A page of 1,000 tasks in full is far beyond gRPC's default of 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A request beyond this is never repeated; gRPC's default is the size of one large payload.
    ("grpc.per_rpc_retry_buffer_size", 16 * 1024 * 1024),
    # Finds a dead peer within 40 s. The server allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A watch sends nothing after its request; by default pings would then soon stop.
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own pause between attempts to connect grows to 2 minutes: leases would run out.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

# Channels with equal options share a connection, and a connection queues calls silently once
# it has all the streams that the server allows. So long streams get connections of their own.
_OWN_CONNECTION: Options = (("grpc.use_local_subchannel_pool", 1),)
# Through a proxy, even what is said to this machine would leave it.
_NO_PROXY: Options = (("grpc.enable_http_proxy", 0),)

# Targets that do not leave this machine: https://github.com/grpc/grpc/blob/master/doc/naming.md
_LOCAL = re.compile(
    r"unix(-abstract)?:.*|(dns:(///)?|ipv[46]:)?(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?"
)


def tls_credentials(
    *,
    ca: str | Path | None = None,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
) -> grpc.ChannelCredentials:
    """Return the credentials for TLS, from files in PEM.

    Args:
        ca: The authorities by which a server is known; None: gRPC's own list.
        certificate: The client's certificate, followed by those that signed it; None: none.
        key: The key of the client's certificate.

    Raises:
        ValueError: Of certificate and key there is only one.
        OSError: A file cannot be read.
    """
    if (certificate is None) != (key is None):
        raise ValueError("a client's certificate and its key go together")
    chain = [None if path is None else Path(path).read_bytes() for path in (ca, key, certificate)]
    return grpc.ssl_channel_credentials(*chain)


@dataclass(frozen=True)
class Endpoint:
    """A server, and how to speak to it."""

    address: str
    """A gRPC target, for example "127.0.0.1:50051"."""
    credentials: grpc.ChannelCredentials | None = None
    """None: without TLS."""
    metadata: Metadata = ()
    """Sent with every call, for example an authorization header."""
    options: Options = ()
    """Further channel options; they win over this package's."""
    token: Token = field(default="", repr=False)
    """A bearer token; empty: none."""

    def __post_init__(self) -> None:
        """Refuse to tell a token to everybody on the way."""
        if self.token and self.credentials is None and not _LOCAL.fullmatch(self.address):
            raise ValueError(f"without TLS, a token is not sent to another machine: {self.address}")

    def call_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return what is sent with a call."""
        token = self.token() if callable(self.token) else self.token
        bearer = (("authorization", f"Bearer {token}"),) if token else ()
        return (*self.metadata, *bearer)

    def channel(self, *, for_streams: bool = False) -> grpc.Channel:
        """Make a channel for blocking calls."""
        options = self._all_options(for_streams=for_streams)
        if self.credentials is None:
            return grpc.insecure_channel(self.address, options)
        return grpc.secure_channel(self.address, self.credentials, options)

    def aio_channel(self, *, for_streams: bool = False) -> grpc.aio.Channel:
        """Make a channel for the running event loop."""
        options = self._all_options(for_streams=for_streams)
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options)
        return grpc.aio.secure_channel(self.address, self.credentials, options)

    def _all_options(self, *, for_streams: bool) -> Options:
        own = _OWN_CONNECTION if for_streams else ()
        direct = _NO_PROXY if self.token and self.credentials is None else ()
        # Of two with the same name, the first one counts.
        return [*direct, *self.options, *own, *_OPTIONS]

"""The two clients: the same methods, blocking and awaitable."""

import grpc

from idstatus.channel import Endpoint, Metadata, Options, Token
from idstatus.core.aio import AsyncDriver
from idstatus.core.blocking import BlockingDriver
from idstatus.methods.producing import ProducingMethods
from idstatus.methods.queueing import QueueingMethods
from idstatus.methods.reading import ReadingMethods
from idstatus.methods.running import RunningMethods
from idstatus.methods.watching import WatchingMethods
from idstatus.models.wire import Duration, seconds

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 10.0


class AllMethods(
    ProducingMethods, ReadingMethods, WatchingMethods, RunningMethods, QueueingMethods
):
    """All that one can do with the service."""


class Client(AllMethods, BlockingDriver):
    """A client whose methods block. Threads may share it; make it after a fork, not before.

    Args:
        address: Where the server listens: a gRPC target.
        timeout: The deadline of every call that is given no other, by default 10 s.
        credentials: For TLS, see `tls_credentials`; None: without.
        token: A bearer token, or what returns one: it is asked before each call, and by a watch or
            a runner whose token has run out. Without TLS it goes to this machine only.
        metadata: Sent with every call, for example an authorization header.
        options: Further gRPC channel options; they win over this package's.

    Raises:
        ValueError: A token would go to another machine without TLS.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: Duration = DEFAULT_TIMEOUT,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token = "",
        metadata: Metadata = (),
        options: Options = (),
    ) -> None:
        super().__init__(Endpoint(address, credentials, metadata, options, token), seconds(timeout))


class AsyncClient(AllMethods, AsyncDriver):
    """A client for asyncio. It belongs to the event loop in which it is first used.

    Args:
        address: Where the server listens: a gRPC target.
        timeout: The deadline of every call that is given no other, by default 10 s.
        credentials: For TLS, see `tls_credentials`; None: without.
        token: A bearer token, or what returns one: it is asked before each call, and by a watch or
            a runner whose token has run out. Without TLS it goes to this machine only.
        metadata: Sent with every call, for example an authorization header.
        options: Further gRPC channel options; they win over this package's.

    Raises:
        ValueError: A token would go to another machine without TLS.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: Duration = DEFAULT_TIMEOUT,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token = "",
        metadata: Metadata = (),
        options: Options = (),
    ) -> None:
        super().__init__(Endpoint(address, credentials, metadata, options, token), seconds(timeout))

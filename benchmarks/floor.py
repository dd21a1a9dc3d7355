"""The empty server: what grpc.aio itself costs, with our server's settings. It decodes nothing.

    Answer      answers with as many bytes as the request says
    Burst       lets every stream send one message of as many bytes as the request says
    Stream      sends what bursts tell it to, and one empty-handed message to begin with

A message of a stream begins with the time of its write, in nanoseconds of the monotonic clock.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any

import grpc

from idstatus_server.limits import Limits
from idstatus_server.rpc.server import grpc_options

SERVICE = "idstatus.bench.Floor"
ANSWER, BURST, STREAM = (f"/{SERVICE}/{name}" for name in ("Answer", "Burst", "Stream"))
SIZE = struct.Struct("!L")
STAMP = struct.Struct("!Q")
_ACCEPT_TIMEOUT = 30
_MAX_MESSAGE_BYTES = 16 << 20
Context = grpc.aio.ServicerContext[Any, Any]


class Round:
    """What all streams wait for: a burst, and the round after it."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.message = b""
        self.next: Round


class Floor:
    """The handlers, which take bytes and return bytes."""

    def __init__(self) -> None:
        self._answers: dict[bytes, bytes] = {}
        self._round = Round()

    async def answer(self, request: bytes, _: Context) -> bytes:
        """Do nothing."""
        return self._answers.get(request) or self._answers.setdefault(request, _zeros(request))

    async def burst(self, request: bytes, _: Context) -> bytes:
        """Let the streams send."""
        now, now.next, now.message = self._round, Round(), _zeros(request)[STAMP.size :]
        self._round = now.next
        now.called.set()
        return b"\0"

    async def stream(self, _: bytes, context: Context) -> None:
        """Send at each burst."""
        now = self._round
        await context.write(STAMP.pack(0))
        while True:
            await now.called.wait()
            await context.write(STAMP.pack(time.monotonic_ns()) + now.message)
            now = now.next


def _zeros(request: bytes) -> bytes:
    return bytes(SIZE.unpack_from(request)[0])


async def main() -> None:
    """Serve until killed."""
    options = grpc_options(Limits(), _ACCEPT_TIMEOUT, _MAX_MESSAGE_BYTES, shared=False)
    server = grpc.aio.server(options=options)
    floor = Floor()
    unary: Callable[..., Any] = grpc.unary_unary_rpc_method_handler
    handlers = {
        "Answer": unary(floor.answer),
        "Burst": unary(floor.burst),
        "Stream": grpc.unary_stream_rpc_method_handler(floor.stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"floor listens on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())

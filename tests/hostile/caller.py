"""The benchmarks' lean client, grown up: calls may fail, be given up, and send several messages."""

from base64 import b64decode
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from frames import HEADERS, WIDEST, Call, Connection
from google.rpc.status_pb2 import Status
from hpack import Decoder

Trailers = dict[str, str | bytes]
OnEnd = Callable[[Trailers], object]
# How long the server may be silent where an answer is due, in seconds.
_PATIENCE = 30.0
# What a header counts for beside its name and value (RFC 9113, 6.5.2), and what clients take.
_ENTRY = 32
MOST_TRAILERS = 8192


class Caller(Connection):
    """A connection on which every call comes to its end, and tells how."""

    def __init__(self, address: str, *, reads: bool = True) -> None:
        super().__init__(address, WIDEST if reads else 0)
        self.socket.settimeout(_PATIENCE)
        self._decoder = Decoder()
        self._headers_of: dict[int, Trailers] = {}
        self._on_end: dict[int, OnEnd] = {}

    def call(
        self,
        path: str,
        requests: Sequence[bytes],
        on_message: Callable[[bytes], object],
        on_end: OnEnd,
        *,
        ends: bool = True,
    ) -> Call:
        """Begin a call with one or more requests; ``on_end`` is told its trailers."""
        call = self.start(path, requests[0], on_message, ends=ends and len(requests) == 1)
        self._on_end[call.stream] = on_end
        for request in requests[1:]:
            call.ends = ends and request is requests[-1]
            self.send(call, request)
        return call

    def give_up(self, call: Call) -> None:
        """End a call from this side."""
        self.cancel(call)
        self._on_end.pop(call.stream)
        self._headers_of.pop(call.stream, None)

    def handle(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        """Of calls that were given up, take the names in their headers: others refer to them."""
        if kind == HEADERS and stream not in self.calls:
            self._decoder.decode(body, raw=True)
        super().handle(kind, flags, stream, body)

    def read_headers(self, stream: int, block: bytes) -> None:
        """Keep the last block: it has the status."""
        self._headers_of[stream] = {
            _text(name): value if name.endswith(b"-bin") else _text(value)
            for name, value in self._decoder.decode(block, raw=True)
        }

    def finish(self, call: Call, last: bytes) -> None:
        """Tell how a call has ended."""
        call.unsent = b""  # a server may end a call of which it has not heard all
        self._on_end.pop(call.stream)(self._headers_of.pop(call.stream))


def size_of(trailers: Trailers) -> int:
    """Return what trailers count for."""
    return sum(len(name) + len(value) + _ENTRY for name, value in trailers.items())


def status_of(trailers: Trailers) -> Status:
    """Return the status in trailers, with its details if it has some."""
    details = trailers.get("grpc-status-details-bin", b"")
    assert isinstance(details, bytes)
    if details:
        padded = details + b"=" * (-len(details) % 4)
        return Status.FromString(b64decode(padded))
    return Status(
        code=int(trailers["grpc-status"]), message=unquote(str(trailers.get("grpc-message", "")))
    )


def _text(value: bytes) -> str:
    return value.decode("latin-1")

"""The frames of HTTP/2 as far as a gRPC client needs them; ``wire`` is what is called with them.

Requests come encoded and answers are left so. Headers are indexed as other clients do it, windows,
settings and pings are kept. A call that ends without a message has failed, and so has everything.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_OF_CALLS = (DATA, HEADERS, RST_STREAM)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
_HEAD = struct.Struct("!BHBBL")  # length (high, low), type, flags, stream
_SETTING = struct.Struct("!HL")
_INITIAL_WINDOW = 4
DEFAULT_WINDOW, WIDEST = (1 << 16) - 1, (1 << 31) - 1
CANCEL = (8).to_bytes(4)
_LARGEST_FRAME = 1 << 14
_RECEIVE = 1 << 20


class WireError(Exception):
    """The server did not do what was asked."""


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    """Return a frame."""
    size = len(body)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + body


class Headers:
    """The header blocks of a connection: what was sent before is named by its index."""

    def __init__(self, authority: str, timeout: str) -> None:
        self._fixed = [
            b"\x41" + _string(authority),
            b"\x40" + _string("te") + _string("trailers"),
            b"\x5f" + _string("application/grpc"),
            b"\x7a" + _string("idstatus-bench"),
        ]
        if timeout:
            self._fixed.append(b"\x40" + _string("grpc-timeout") + _string(timeout))
        self._sent: list[bytes] = []
        self._blocks: dict[str, bytes] = {}

    def block(self, path: str) -> bytes:
        """Return the block for a call of a method."""
        if path in self._blocks:
            return self._blocks[path]
        block = b"\x83\x86"  # POST, http
        known = len(self._sent)
        for field in (b"\x44" + _string(path), *self._fixed):
            if field in self._sent:
                block += bytes([0x80 | 61 + len(self._sent) - self._sent.index(field)])
            else:
                block += field
                self._sent.append(field)
        if len(self._sent) > known:  # all indexes have moved
            self._blocks.clear()
        else:
            self._blocks[path] = block
        return block


def _string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _ignore(*_: object) -> None:
    pass


class Call:
    """A call under way; ``messages`` and ``received`` (bytes) count what has come."""

    __slots__ = (
        *("buffer", "ends", "messages", "on_end", "on_message"),
        *("path", "received", "room", "stream", "unsent"),
    )

    def __init__(
        self,
        path: str,
        on_message: Callable[[bytes], object],
        on_end: Callable[[], object],
        *,
        ends: bool,
    ) -> None:
        self.path = path
        self.on_message = on_message
        self.on_end = on_end
        self.ends = ends
        self.stream = 0
        self.messages = 0
        self.received = 0
        self.buffer = b""
        self.unsent = b""
        self.room = 0


class Connection:
    """One HTTP/2 connection. What is sent leaves with ``flush``.

    The server may be ahead of ``receive`` by so many bytes as the ``window`` says. ``timeout`` is
    the deadline that each call tells the server, as gRPC writes it, such as 500m.
    """

    def __init__(self, address: str, window: int = WIDEST, timeout: str = "") -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.calls: dict[int, Call] = {}
        self._headers = Headers(address, timeout)
        self._next = 1
        self._rest = b""
        self._received = 0
        self._room = self._first_room = DEFAULT_WINDOW
        self._waiting: deque[Call] = deque()
        self._step = window // 2 or 1
        setting = _SETTING.pack(_INITIAL_WINDOW, window)
        self._out = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0, setting)]
        if window > DEFAULT_WINDOW:
            self._widen(0, window - DEFAULT_WINDOW)

    def start(
        self,
        path: str,
        request: bytes,
        on_message: Callable[[bytes], object] = _ignore,
        on_end: Callable[[], object] = _ignore,
        *,
        ends: bool = True,
    ) -> Call:
        """Begin a call with its first request, which is its only one if it ``ends`` there."""
        call = Call(path, on_message, on_end, ends=ends)
        call.stream, call.room = self._next, self._first_room
        self._next += 2
        self.calls[call.stream] = call
        self._out.append(frame(HEADERS, END_HEADERS, call.stream, self._headers.block(path)))
        self.send(call, request)
        return call

    def send(self, call: Call, request: bytes) -> None:
        """Send a request on a call."""
        call.unsent += b"\0" + len(request).to_bytes(4) + request
        if call not in self._waiting and (self._waiting or not self._send(call)):
            self._waiting.append(call)

    def cancel(self, call: Call) -> None:
        """End a call from this side."""
        call.unsent = b""
        del self.calls[call.stream]
        self._out.append(frame(RST_STREAM, 0, call.stream, CANCEL))

    def _send(self, call: Call) -> bool:
        """Send as much of a request as the windows allow; say whether that was all."""
        while call.unsent:
            size = min(len(call.unsent), self._room, call.room, _LARGEST_FRAME)
            if size <= 0:
                return False
            part, call.unsent = call.unsent[:size], call.unsent[size:]
            self._room -= size
            call.room -= size
            last = END_STREAM if call.ends and not call.unsent else 0
            self._out.append(frame(DATA, last, call.stream, part))
        return True

    def flush(self) -> None:
        """Send. It may block for a moment: the server reads whatever its windows allow."""
        while self._waiting and self._send(self._waiting[0]):
            self._waiting.popleft()
        if self._out:
            out, self._out = b"".join(self._out), []
            self.socket.sendall(out)

    def receive(self) -> None:
        """Handle what has come, and send what follows from it."""
        data = self.socket.recv(_RECEIVE)
        if not data:
            raise WireError("the server has closed the connection")
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            end = at + 9 + (high << 16 | low)
            if end > size:
                break
            self.handle(kind, flags, stream, data[at + 9 : end])
            at = end
        self._rest = data[at:]
        self.flush()

    def handle(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        """Handle one frame; what comes of calls that were cancelled is passed over."""
        if kind in _OF_CALLS and stream not in self.calls:
            return
        if kind == DATA:
            self._take(stream, flags, body)
        elif kind == HEADERS:
            if flags & (END_HEADERS | PADDED) != END_HEADERS:
                raise WireError("headers in parts, or padded, are not understood")
            self.read_headers(stream, body)
        elif kind == WINDOW_UPDATE:
            self._give(stream, int.from_bytes(body))
        elif kind == SETTINGS and not flags & ACK:
            self._set(body)
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, body))
        elif kind in (RST_STREAM, GOAWAY):
            what = self.calls[stream].path if stream in self.calls else "the connection"
            raise WireError(f"the server has broken off {what}: {body!r}")
        if flags & END_STREAM and kind in (DATA, HEADERS):
            self.finish(self.calls.pop(stream), body)

    def read_headers(self, stream: int, block: bytes) -> None:
        """Take an answer's headers or trailers; here they are passed over."""

    def finish(self, call: Call, last: bytes) -> None:
        """Take note that a call has ended; ``last`` is the body of its last frame."""
        if not call.messages:
            raise WireError(f"{call.path} was answered without a message: {last!r}")
        call.on_end()

    def _take(self, stream: int, flags: int, body: bytes) -> None:
        """Take a part of an answer; mostly it is one message."""
        if flags & PADDED:
            raise WireError("padded data are not understood")
        call, size = self.calls[stream], len(body)
        call.received += size
        self._received += size
        if call.received % self._step < size:
            self._widen(stream, self._step)
        if self._received % self._step < size:
            self._widen(0, self._step)
        if call.buffer:
            body = call.buffer + body
        at, size = 0, len(body)
        while size - at >= 5:
            end = at + 5 + int.from_bytes(body[at + 1 : at + 5])
            if end > size:
                break
            call.messages += 1
            call.on_message(body[at + 5 : end])
            at = end
        call.buffer = body[at:]

    def _widen(self, stream: int, by: int) -> None:
        self._out.append(frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4)))

    def _give(self, stream: int, room: int) -> None:
        if not stream:
            self._room += room
        elif stream in self.calls:
            self.calls[stream].room += room

    def _set(self, body: bytes) -> None:
        for name, value in _SETTING.iter_unpack(body):
            if name == _INITIAL_WINDOW:
                for call in self.calls.values():
                    call.room += value - self._first_room
                self._first_room = value
        self._out.append(frame(SETTINGS, ACK, 0, b""))

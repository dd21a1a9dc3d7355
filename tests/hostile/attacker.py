"""Sends bytes that no client would send, on as many connections as it likes."""

import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Self

from frames import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame
from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PATIENCE, _CLOSES = 10.0, 30.0
_AT_ONCE = struct.pack("ii", 1, 0)

Headers = Sequence[tuple[str | bytes, str | bytes]]


class Attacker:
    """Holds its connections open until it is done."""

    def __init__(self, address: str, draw: Random) -> None:
        host, _, port = address.rpartition(":")
        self._where = (host, int(port))
        self._opened: list[Raw] = []
        self.draw = draw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for raw in self._opened:
            raw.socket.close()

    def connect(self, settings: bytes = b"", *, greet: bool = True) -> "Raw":
        """Open a connection, with HTTP/2's greeting or without."""
        raw = Raw(self._where)
        self._opened.append(raw)
        if greet:
            raw.send(PREFACE + frame(SETTINGS, 0, 0, settings))
        return raw


class Raw:
    """A socket that does not mind being closed by the server, and reads only if it is told to."""

    def __init__(self, where: tuple[str, int]) -> None:
        self.socket = socket.create_connection(where, _PATIENCE)
        self._next = 1

    def send(self, data: bytes) -> bool:
        """Send, and tell whether the server was there to take it."""
        try:
            self.socket.sendall(data)
        except OSError:  # closed, or not reading any more: both are an answer
            return False
        return True

    def call(
        self, path: str | bytes, body: bytes = b"", *, extra: Headers = (), ends: bool = True
    ) -> int:
        """Begin a call and return the number of its stream; its headers are whole and right."""
        stream, self._next = self._next, self._next + 2
        block = headers(path, extra)
        last = END_STREAM if ends else 0
        self.send(frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, last, stream, body))
        return stream

    def hear(self, said: bytes) -> None:
        """Return once the server has said this."""
        heard = b""
        while said not in heard:
            heard += self.socket.recv(1 << 16)

    def ended(self) -> bool:
        """Wait until the server closes the connection, and tell whether it did."""
        self.socket.settimeout(_CLOSES)
        with suppress(ConnectionError):
            try:
                while self.socket.recv(1 << 16):
                    pass
            except TimeoutError:
                return False
        return True

    def slam(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.socket.close()


def headers(path: str | bytes, extra: Headers = ()) -> bytes:
    """Return a block with a call's headers, and others behind them."""
    usual: list[tuple[str | bytes, str | bytes]] = [
        *((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")),
        *(("te", "trailers"), ("content-type", "application/grpc")),
    ]
    return block([*usual, *extra])


def block(fields: Headers) -> bytes:
    """Return a header block that needs no table."""
    return Encoder().encode([(*field, True) for field in fields], huffman=False)


def message(data: bytes, *, compressed: int = 0) -> bytes:
    """Return a message as gRPC frames it."""
    return bytes([compressed]) + len(data).to_bytes(4) + data


def pieces(kind: int, stream: int, data: bytes, size: int = 1 << 14) -> bytes:
    """Return data in as many frames as it takes; none of them is the last."""
    return b"".join(
        frame(kind, 0, stream, data[at : at + size]) for at in range(0, len(data), size)
    )

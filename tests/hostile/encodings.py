"""What can be wrong with a request as it lies on the wire."""

from collections.abc import Callable
from random import Random

# Of requests that are encoded, the share that is then spoilt.
_SPOILT = 0.3
_NO_TEXTS = (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82")
_NO_FIELDS = (
    b"\x00\x00",
    b"\x07",
    b"\x0b",
    b"\x0c",
    b"\x0a\x7fshort",
    b"\x80" * 11,
    b"\x0a\xff\xff\xff\xff\x0f",
)
_UNKNOWN = (
    b"\xfa\x3f\x01x",
    b"\xf8\x3f\x01",
    b"\xfd\x3f1234",
    b"\xf9\x3f12345678",
    b"\xfb\x3f\xfc\x3f",
)


def encoded(draw: Random, data: bytes) -> bytes:
    """Return a request's bytes as they are or, now and then, spoilt."""
    return draw.choice(_WAYS)(draw, data) if draw.random() < _SPOILT else data


def _cut(draw: Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _flip(draw: Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(draw.randrange(1, 5)):
        if spoilt:
            spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
    return bytes(spoilt)


def _insert(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice((*_NO_FIELDS, *_UNKNOWN, draw.randbytes(4))) + data[at:]


def _twice(_: Random, data: bytes) -> bytes:
    return data + data


def _noise(draw: Random, _: bytes) -> bytes:
    return draw.randbytes(draw.randrange(200))


def _no_text(draw: Random, data: bytes) -> bytes:
    return data + lengthy(draw.randrange(1, 13), draw.choice(_NO_TEXTS))


def _unknown(draw: Random, data: bytes) -> bytes:
    return data + draw.choice(_UNKNOWN) * draw.choice((1, 10, 1000))


def _nested(draw: Random, data: bytes) -> bytes:
    """Nest a field in itself, below and beyond the depth that parsers take."""
    inner, number = b"", draw.randrange(1, 13)
    for _ in range(draw.choice((3, 99, 101, 1000))):
        inner = lengthy(number, inner)
    return data + inner


def _groups(draw: Random, data: bytes) -> bytes:
    depth = draw.choice((3, 99, 101, 10_000))
    return data + b"\xfb\x3f" * depth + b"\xfc\x3f" * depth


def lengthy(number: int, value: bytes) -> bytes:
    """Return a field that has a length."""
    size, length = len(value), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


_WAYS: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_cut, _flip, _insert, _twice, _noise, _no_text, _unknown, _nested, _groups),
)

"""Tokens that the server never gave, made from those that it did."""

import base64
import struct
import zlib
from random import Random

from hostile import values

_CHECK = struct.Struct(">I")
_ABSURD = (0, 1, -1, 2**31, 2**62, 2**63 - 1, -(2**63))


def token(draw: Random, known: str) -> str:
    """Return a token that was cut, flipped, or changed inside and sealed anew."""
    if not known or draw.random() < 0.1:
        return values.text(draw)
    kind = draw.randrange(6)
    at = draw.randrange(len(known))
    if kind == 0:
        return known[:at]
    if kind == 1:
        return known[:at] + draw.choice("AZaz09-_=+/ \n") + known[at + 1 :]
    if kind == 2:
        return known + draw.choice((known, "=", "A", "\0"))
    return sealed(_changed(draw, opened(known)))


def opened(known: str) -> bytes:
    """Return what is in a token, without its checksum; of what is none, its own bytes."""
    try:
        return base64.urlsafe_b64decode(known + "=" * (-len(known) % 4))[: -_CHECK.size]
    except ValueError:
        return known.encode()


def sealed(body: bytes) -> str:
    """Return a token whose checksum is right."""
    return base64.urlsafe_b64encode(body + _CHECK.pack(zlib.crc32(body))).decode().rstrip("=")


def _changed(draw: Random, body: bytes) -> bytes:
    """Change the kind, the store, a number, or the length."""
    number = draw.choice(_ABSURD).to_bytes(8, signed=True)
    places = range(9, max(10, len(body) - 7), 8)  # behind a letter and the store's id
    at = draw.choice(places)
    return draw.choice(
        (
            *[body[:at] + number + body[at + 8 :]] * 4,
            body[:9] + draw.randbytes(len(body[9:])),
            draw.choice((b"w", b"p", b"n", b"\0")) + body[1:],
            body[:1] + draw.randbytes(8) + body[9:],
            body[: draw.randrange(len(body) + 1)],
            body + draw.choice((b"\0", b"\xff", b"\xff" * 8, b"a" * 1000)),
        )
    )

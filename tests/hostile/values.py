"""Values that are wrong, or at the edge of what is right, for each type of field."""

import math
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as F

_I32, _I64, _U32, _U64 = 1 << 31, 1 << 63, 1 << 32, 1 << 64
_SIGNED = (0, 1, -1, 2, 9, 10, 25, 26, 999, 1000, 1001)
_I32S = (*_SIGNED, _I32 - 1, -_I32)
_I64S = (*_I32S, _I64 - 1, -_I64, 1 << 32, 1 << 53)
# The ends of google.protobuf.Timestamp and Duration, those of what int64 holds in microseconds
# and in nanoseconds, and one past each.
_SECONDS = (
    *(0, 1, -1, 30, 3600, 86_400 * 365, 86_400 * 365 + 1, 1_800_000_000),
    *(253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801),
    *(315_576_000_000, 315_576_000_001, -315_576_000_000),
    *(9_223_372_036, 9_223_372_037, 9_223_372_036_855, -9_223_372_036_855, _I64 - 1, -_I64),
)
_NANOS = (0, 1, -1, 999, 999_999_999, 1_000_000_000, -999_999_999, _I32 - 1, -_I32)
_FLOATS = (
    *(0.0, -0.0, 0.5, 1.0, 1.0000001, 100.0, 100.1, -1.0),
    *(math.nan, math.inf, -math.inf, 5e-324, 1.7e308, -1.7e308),
)
_NUMBERS: dict[int, tuple[int, ...]] = {
    **dict.fromkeys((F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32), _I32S),
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64), _I64S),
    **dict.fromkeys((F.TYPE_UINT32, F.TYPE_FIXED32), (0, 1, _U32 - 1)),
    **dict.fromkeys((F.TYPE_UINT64, F.TYPE_FIXED64), (0, 1, _U64 - 1)),
    F.TYPE_ENUM: (*range(-1, 10), 99, _I32 - 1, -_I32),
}
_TEXTS = (
    *("", " ", ".", "..", "\0", "a\0b", "\n", "\r\n", "\x1b[2J", "\x7f", "\ufffe", "\ufffd"),
    *("ünïcode", "\u202e", "\U0010ffff", "e\u0301", "﷽", "İ", "ß", "\ud7ff", "\ue000"),
    *("'; DROP TABLE tasks; --", '"', "\\", "%s%n", "%00", "{}", "$1", "?", "*", "[]", "null"),
    *("UPPER", "a/b", "../../etc/passwd", "__proto__", "grpc-status: 0", "idstatus.v1", "nan"),
)
_LENGTHS = (63, 64, 65, 127, 128, 129, 255, 256, 1023, 1025, 4096, 4097)
_SIZES = (0, 1, 255, 65_535, 262_143, 262_144, 262_145)


def wrong(draw: Random, field: F) -> Any:
    """Return a value that a field of this type can carry, and that its rules may not allow."""
    if field.type == F.TYPE_STRING:
        return text(draw)
    if field.type == F.TYPE_BYTES:
        size = draw.choice(_SIZES) if draw.random() < 0.05 else draw.randrange(64)
        return draw.randbytes(min(size, 64)) * (size // 64 + 1)
    if field.type == F.TYPE_BOOL:
        return draw.random() < 0.5
    if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        return draw.choice(_FLOATS)
    return draw.choice(_NUMBERS[field.type])


def text(draw: Random) -> str:
    """Return a text."""
    if draw.random() < 0.6:
        return draw.choice(_TEXTS)
    size = draw.choice(_LENGTHS) if draw.random() < 0.99 else 100_000
    return (draw.choice(_TEXTS) or "a") * size if draw.random() < 0.3 else "a" * size


def set_span(draw: Random, message: Any) -> None:
    """Set a Duration or a Timestamp to one that may be out of range, or no span at all."""
    message.seconds = draw.choice(_SECONDS)
    message.nanos = draw.choice(_NANOS)

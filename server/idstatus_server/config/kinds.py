"""How the values of flags are read. What is wrong raises ``argparse.ArgumentTypeError``."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from idstatus_server.addresses import host_and_port
from idstatus_server.config.urls import without_password
from idstatus_server.limits import SECOND

_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_UNITS["d"] = 24 * _UNITS["h"]
_LONGEST = 36_500 * _UNITS["d"]


def span(text: str) -> int:
    """Return a span such as 500ms, 30s, 15m, 24h or 7d in microseconds."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 30s, 15m, 24h or 7d")
    value = int(match[1]) * _UNITS[match[2]]
    if value > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than 36500d")
    return value


def whole_seconds(text: str) -> int:
    """Return a span in whole seconds: gRPC takes no others."""
    value = span(text)
    if value < SECOND or value % SECOND:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of whole seconds, as 10s")
    return value


def count(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def path(text: str) -> Path | None:
    """Return the path of a file, None if there is none."""
    return Path(text) if text else None


def endpoint(text: str) -> str:
    """Check where traces go."""
    if text and not re.fullmatch(r"https?://[^/@\s]+:\d+/?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not http://HOST:PORT or https://HOST:PORT")
    return text


def addresses(text: str) -> tuple[str, ...]:
    """Return one or more addresses, as gRPC takes them."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise argparse.ArgumentTypeError("there must be at least one address")
    return found


def truth(text: str) -> bool:
    """Return whether it is so."""
    if text not in ("1", "true", "0", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of 1, true, 0, false")
    return text in ("1", "true")


def metrics_address(text: str) -> tuple[str, int] | None:
    """Return host and port, None if there is nothing."""
    if not text:
        return None
    found = host_and_port(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    host, port = found
    return host.strip("[]"), port


def store(text: str) -> str:
    """Check the URL of a store."""
    if re.match(r"postgres(ql)?://.", text):
        return text
    file = text.removeprefix("sqlite:///")
    if file == text or not file or file.endswith("/"):
        raise argparse.ArgumentTypeError(
            f"{without_password(text)!r} is not sqlite:///PATH, sqlite:///:memory: or postgresql://…"
        )
    return text


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return what checks that a text is one of these."""

    def check(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(allowed)}")
        return text

    return check

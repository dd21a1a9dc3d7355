"""From words of the command line to values."""

import math
import os
import re
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import typer

_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
# More than any of the server's limits, and well within what the wire takes.
_LONGEST = timedelta(days=365_000)


def span(text: str) -> timedelta:
    """Return a span such as 500ms, 30s, 1.5h or 7d; a number alone is in seconds."""
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?)(ms|s|m|h|d)?", text)
    seconds = float(match[1]) * _SECONDS[match[2] or ""] if match else math.inf
    if seconds > _LONGEST.total_seconds():
        raise typer.BadParameter(f"{text!r} is not a span such as 500ms, 30s, 15m, 24h or 7d")
    return timedelta(seconds=seconds)


def size(text: str) -> int:
    """Return a number of bytes, from words such as 512K, 256M or 2G."""
    match = re.fullmatch(r"([0-9]+)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not match or not int(match[1]):
        raise typer.BadParameter(f"{text!r} is not a size such as 512K, 256M or 2G")
    return int(match[1]) * _BYTES[match[2].upper()]


def pairs(texts: Iterable[str] | None) -> dict[str, str]:
    """Return what texts such as KEY=VALUE say."""
    found: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
        found[key] = value
    return found


def payload(text: str | None, file: Path | None) -> bytes:
    """Return the payload: a text, or what is in a file, or on stdin if the file is named -."""
    if text is not None and file is not None:
        raise typer.BadParameter("give --payload or --payload-file, not both")
    if file is None:
        return os.fsencode(text or "")  # the bytes as they were typed, UTF-8 or not
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}") from error

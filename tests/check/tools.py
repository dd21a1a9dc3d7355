"""Runs the server's tools as an operator does."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from preloaded import Fork

_LIMIT = 120.0


class Said(NamedTuple):
    """How a tool ended, and its lines on both streams."""

    status: int
    out: list[str]
    err: list[str]


def tool(*words: str | Path) -> Said:
    """Run a tool to its end."""
    with tempfile.NamedTemporaryFile("r") as complaints:
        running = Fork([str(word) for word in words], Path(complaints.name))
        with running.stdout:
            out = running.stdout.read().splitlines()
        return Said(running.wait(_LIMIT), out, complaints.read().splitlines())


def check(store: str) -> Said:
    """Run ``idstatus-server check``."""
    return tool("check", "--store", store)


def backup(store: str, target: Path) -> Said:
    """Run ``idstatus-server backup``."""
    return tool("backup", "--store", store, target)

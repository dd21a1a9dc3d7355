"""Runs the server's tools as an operator does."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from harness import SERVER

_LIMIT = 120.0


class Said(NamedTuple):
    """How a tool ended, and its lines on both streams."""

    status: int
    out: list[str]
    err: list[str]


def tool(*words: str | Path) -> Said:
    """Run a tool to its end."""
    command = [*SERVER, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    return Said(done.returncode, done.stdout.splitlines(), done.stderr.splitlines())


def check(store: str) -> Said:
    """Run ``idstatus-server check``."""
    return tool("check", "--store", store)


def backup(store: str, target: Path) -> Said:
    """Run ``idstatus-server backup``."""
    return tool("backup", "--store", store, target)

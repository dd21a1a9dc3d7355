"""The real grpcurl: a tool that knows nothing of our schema but what reflection tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def typed(line: str) -> list[str]:
    """Return the command that types a line into a shell that finds grpcurl."""
    if not (BIN / "grpcurl").exists():
        pytest.fail("no grpcurl here: install Go 1.26 or newer (https://go.dev/dl), make grpcurl")
    return ["env", f"PATH={BIN}:{os.environ['PATH']}", "bash", "-c", line]


def printed(line: str) -> str:
    """Return what a terminal shows after a line is typed."""
    return subprocess.run(
        typed(line),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    ).stdout

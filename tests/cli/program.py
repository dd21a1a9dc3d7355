"""The real `idstatus` command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from idstatus import Client, Status

BIN = Path(sys.executable).parent
# Long enough for a busy machine; nothing takes that long unless it fails.
LIMIT = 60.0
# What would overrule the terminal's own width and colours.
_OVERRULING = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
ENVIRON = {name: value for name, value in os.environ.items() if name not in _OVERRULING}
ENVIRON["TERM"] = "xterm-256color"
# No context of whoever runs the tests.
ENVIRON["XDG_CONFIG_HOME"] = "/nowhere"


class Idstatus:
    """Runs `idstatus` against a server."""

    def __init__(self, address: str = "", **environ: str) -> None:
        self.environ = {**ENVIRON, **environ}
        if address:
            self.environ["IDSTATUS_ADDRESS"] = address

    def __call__(
        self, *arguments: str, stdin: bytes = b"", status: int = 0
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end, which must have the exit status."""
        done = subprocess.run(
            [BIN / "idstatus", *arguments],
            input=stdin,
            capture_output=True,
            env=self.environ,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == status, done
        assert b"Traceback" not in done.stderr
        return done

    def says(self, *arguments: str, status: int = 0) -> str:
        """Return what a command prints."""
        return self(*arguments, status=status).stdout.decode().strip()

    def complains(self, *arguments: str, status: int) -> str:
        """Return the one line that a command that fails prints on stderr."""
        (line,) = self(*arguments, status=status).stderr.decode().splitlines()
        return line

    def json(self, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        """Return the objects that a command prints, one per line."""
        return [json.loads(line) for line in self.says(*arguments, status=status).splitlines()]

    def yaml(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the documents that a command prints."""
        return list(yaml.safe_load_all(self.says(*arguments, "-o", "yaml")))

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a command beside the test; at the end it is told to stop."""
        with subprocess.Popen(
            [BIN / "idstatus", *arguments],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


def until(condition: Callable[[], object]) -> None:
    """Return once a condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def until_status(client: Client, task_id: str, status: Status) -> None:
    """Return once a task has a status."""
    with client.watch([task_id]) as changes:
        next(change for change in changes if change.id_status.status is status)


def is_alive(pid: int) -> bool:
    """Whether a process runs: is neither gone nor a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"

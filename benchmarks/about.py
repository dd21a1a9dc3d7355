"""Where it was measured, with what, and how busy the machine was with other things."""

import os
import platform
import re
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from database import programs

# What a machine that is left alone uses for itself.
_QUIET = 0.05
_HERE = Path(__file__).parent


def about(folder: str) -> dict[str, Any]:
    """Return it; what is measured stores in the folder."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    others = busy(1.0)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": said("git", "-C", str(_HERE), "describe", "--always", "--dirty"),
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "filesystem": filesystem(folder),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "protobuf": version("protobuf"),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": said(str(programs() / "postgres"), "--version").split()[-1],
        "busy before": f"{others:.0%} of all cores",
        "machine": "left alone" if others < _QUIET else "BUSY with other things",
    }


def said(*command: str) -> str:
    """Return what a program says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def filesystem(folder: str) -> str:
    """Return the type of the file system that a folder is on."""
    return said("findmnt", "--noheadings", "--output=FSTYPE", "--target", folder)


def busy(seconds: float) -> float:
    """Return the share of all cores that is used while we do nothing, or taken from the machine."""
    before = _ticks()
    time.sleep(seconds)
    used, total = (after - was for after, was in zip(_ticks(), before, strict=True))
    return used / total


def _ticks() -> tuple[int, int]:
    """Return how long the cores have worked, and existed; see proc_stat(5)."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    fields = [int(field) for field in line.split()[1:9]]
    idle, waiting = fields[3:5]
    return sum(fields) - idle - waiting, sum(fields)

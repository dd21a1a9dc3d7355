"""Where a benchmark works: a folder on a disk, and cores for the server and for the load."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import servers
from about import about, filesystem
from contest import Setting


@contextmanager
def workplace(
    seconds: float = 1.0, *, full: bool = False
) -> Iterator[tuple[Setting, dict[str, Any]]]:
    """Give the load, which is this process, its cores; also tell of the machine as it was found.

    All temporary files go to a folder that is deleted in the end.
    """
    with tempfile.TemporaryDirectory(prefix="idstatus-bench-", dir=_disk()) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL goes there as another user
        tempfile.tempdir = folder
        found = about(folder)
        at = Setting(*servers.cores(), seconds, full)
        os.sched_setaffinity(0, at.load_cores)
        yield at, found


def _disk() -> str:
    """Return a folder that is on a disk: in memory, nothing would be durable."""
    folder = os.environ.get("TMPDIR", "/var/tmp")  # noqa: S108  # a folder is made in it
    if filesystem(folder) in ("tmpfs", "ramfs"):
        sys.exit(f"{folder} is in memory: set TMPDIR to a folder on a disk")
    return folder

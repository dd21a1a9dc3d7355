"""The load past capacity: a server is loaded, and each load is told."""

import subprocess
import sys
from pathlib import Path

OVERLOAD = Path(__file__).parents[2] / "benchmarks" / "overload.py"


def test_each_load_is_told_with_what_came_of_it() -> None:
    command = [sys.executable, str(OVERLOAD), "create", "--seconds", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    head, _, *rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [
        "create, 256 callers",
        "create, 1280 callers",
        "create, 1 times that",
        "create, 2 times that",
        "create, 5 times that",
    ]
    assert all(float(row[head.index("offered/s")]) > 0 for row in rows[2:])

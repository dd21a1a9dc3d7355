"""The benchmark itself: it measures against a real server and the empty one."""

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench.py"


def test_single_measures_are_taken_and_shown_with_what_they_must_reach() -> None:
    command = [sys.executable, str(BENCH), "get", "create", "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "calls/s" in line]
    assert [line.split()[1] for line in lines] == ["get", "create"]
    assert " 0.8 " in lines[0]

"""The figures of reliability: measured at their smallest size, against a real server."""

import json
import subprocess
import sys
from pathlib import Path

RELIABILITY = Path(__file__).parents[2] / "benchmarks" / "reliability.py"
FIGURES = ("frozen-unread", "frozen-stopped", "idle", "killed", "churn")
# Whatever else the machine does, these must be 0.
EXACT = ("frozen-unread-faulty", "frozen-stopped-faulty", "killed-relisted", "killed-faulty")


def test_figures_are_measured_and_no_watcher_missed_anything(tmp_path: Path) -> None:
    target = tmp_path / "reliability.json"
    command = [sys.executable, str(RELIABILITY), *FIGURES, "--trial", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = {figure["name"]: figure for figure in json.loads(target.read_text())["figures"]}
    assert {"frozen-unread", "frozen-stopped", "idle-memory", "killed", "churn-growth"} <= set(told)
    assert {name: told[name]["measured"] for name in EXACT} == dict.fromkeys(EXACT, 0)

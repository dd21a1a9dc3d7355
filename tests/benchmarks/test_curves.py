"""The growth curves: each is measured at its smallest size, against a real server."""

import json
import subprocess
import sys
from pathlib import Path

CURVES = Path(__file__).parents[2] / "benchmarks" / "curves.py"
EXPECTED = {
    "tasks": {
        *("get", "create", "claim", "memory"),
        *("list", "list-middle", "list-label", "list-status"),
    },
    "watchers": {
        *("commit", "delivery", "beside-task", "beside-queue"),
        *("memory-task", "memory-queue"),
    },
    "queues": {"create", "claim", "claim-all", "list"},
    "runners": {"life", "alone", "idle"},
    "memory": {"memory-early", "memory", "stored"},
}


def test_all_curves_are_measured_and_told(tmp_path: Path) -> None:
    target = tmp_path / "curves.json"
    command = [sys.executable, str(CURVES), "--trial", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(target.read_text())
    assert {"date", "commit", "cpu", "sqlite"} <= told["about"].keys()
    assert {name: set(group["curves"]) for name, group in told["groups"].items()} == EXPECTED
    curves = [curve for group in told["groups"].values() for curve in group["curves"].values()]
    assert all(point["rounds"] for curve in curves for point in curve["points"])
    assert [curve["what"] for curve in curves if not curve["points"]] == []
    assert told["groups"]["memory"]["summary"]["tasks done"] > 0

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_alone_works_with_the_lowest_and_the_newest_versions_of_what_it_needs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/wheels.py", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lowest, newest = (line.split() for line in done.stdout.splitlines())
    assert (lowest[1], newest[1]) == ("lowest:", "newest:")
    assert lowest[2:] != newest[2:]

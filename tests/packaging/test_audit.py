"""`make audit` fails where nobody can ask, and says so where nobody answers."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/audit.py"


def audited(folder: Path, **environ: str) -> tuple[int, str]:
    """Return the status and the words of an audit that remembers no other one."""
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={**os.environ, "HOME": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_tool_that_does_not_work_fails_the_audit(tmp_path: Path) -> None:
    (tmp_path / "pip_audit.py").write_text("raise SystemExit('out of order')")
    status, said = audited(tmp_path, PYTHONPATH=str(tmp_path))
    assert status == 1
    assert said.count("NOT AUDITED, pip-audit does not work\nout of order") == 2


def test_a_database_out_of_reach_is_told_loudly_and_fails_nothing(tmp_path: Path) -> None:
    status, said = audited(tmp_path, HTTPS_PROXY="http://127.0.0.1:9")
    assert status == 0
    assert said.count("NOT AUDITED, the database is out of reach") == 2

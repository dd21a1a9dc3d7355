"""Builds examples as their READMEs say."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pages import blocks

GO = "Go 1.26 or newer, https://go.dev/dl"
BUF = "buf, which `make install` puts into .venv (on PyPI: buf-bin)"
_LIMIT = 900.0


def find_installed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what `make install` brings be found before all else."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def build(folder: Path, needed: Mapping[str, str]) -> str:
    """Do what the README's only console block says, but for its last line, which is returned.

    Fails the test if a program that is ``needed`` is not found, and says what to install.
    """
    for program, what in needed.items():
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not found: install {what}")
    (block,) = blocks(folder / "README.md", "console")
    *commands, last = block.splitlines()
    done = subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return last

"""Runs what the README shows, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks

from harness import ServerProcess

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BIN = Path(sys.executable).parent


def lines(start: str) -> list[str]:
    return [
        line
        for block in blocks(README, "console")
        for line in block.splitlines()
        if line.startswith(start)
    ]


def run(*command: str, address: str, timeout: float = 30) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "IDSTATUS_ADDRESS": address}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environ, check=False
    )


def test_the_grpcurl_lines_work_with_a_stock_client_and_reflection_only(
    server: ServerProcess,
) -> None:
    answers = []
    for line in lines("grpcurl"):
        _, _, *arguments = shlex.split(line)
        if "describe" in arguments:
            continue  # what reflection describes is checked by the tests of reflection
        *data, _, method = arguments
        # buf's client stands in for grpcurl: pip can install it.
        command = ("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", *data)
        done = run(*command, f"http://{server.address}/{method}", address=server.address)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    assert len(answers) == 5
    assert "STATUS_QUEUED" in answers[0]
    assert "STATUS_RUNNING" in answers[1]
    assert "aGVsbG8=" in answers[2]
    assert "EXECUTION_MAY_BE_RUNNING" in answers[3]
    assert "STATUS_CANCELLED" in answers[4]


@pytest.mark.parametrize(
    "line",
    [line for line in lines("idstatus ") if "create" in line or "exec " in line or "list" in line],
)
def test_the_command_lines_work(server: ServerProcess, line: str) -> None:
    if "runner" in line:
        return
    done = run(*shlex.split(line), address=server.address)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [README, *(ROOT / "docs").glob("*.md")], ids=str)
def test_every_link_exists(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", README.read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

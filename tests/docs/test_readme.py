"""Runs what the README shows, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import grpcurl
import pytest
from pages import ADDRESS, blocks

from harness import ServerProcess

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
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


def test_the_grpcurl_lines_work_with_reflection_only(server: ServerProcess) -> None:
    described, *answers = [
        grpcurl.printed(line.replace(ADDRESS, server.address)) for line in lines("grpcurl")
    ]
    assert "// Creates tasks, answers what became of them" in described
    assert len(answers) == 6
    assert "STATUS_QUEUED" in answers[0]
    assert "STATUS_RUNNING" in answers[1]
    assert "aGVsbG8=" in answers[2]
    assert "EXECUTION_MAY_BE_RUNNING" in answers[3]
    assert "STATUS_CANCELLED" in answers[4]
    assert "NEXT_STEP_RETRY" in answers[5]


@pytest.mark.parametrize(
    "line",
    [line for line in lines("idstatus ") if "create" in line or "exec " in line or "list" in line],
)
def test_the_command_lines_work(server: ServerProcess, line: str) -> None:
    done = run(*shlex.split(line), address=server.address)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_make_target_exists(page: Path) -> None:
    text = page.read_text()
    prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
    for link, heading in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", prose):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not heading or heading in headings(target), heading
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def headings(page: Path) -> set[str]:
    """Return what links may name after the #, as GitHub makes it of the headings."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}

"""Runs what docs/operations.md shows, and the program in Go that it is taken from."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pages import ADDRESS, blocks

from harness import ServerProcess
from idstatus import Client, Failure, NewTask, Reason, Success

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/operations.md"
EXAMPLE = ROOT / "examples/operations"
BUILD_LIMIT, LIMIT = 900, 120
# What the README's commands need, and what to install if it is not found.
NEEDED = {
    "go": "Go 1.26 or newer, https://go.dev/dl",
    "buf": "buf, which `make install` puts into .venv",
}


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[Client]:
    with Client(shared_server.address) as client:
        yield client


def run(*command: str, limit: int = LIMIT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=EXAMPLE, capture_output=True, text=True, timeout=limit, check=False
    )


def test_the_python_example_prints_what_it_says(shared_server: ServerProcess) -> None:
    (snippet,) = blocks(PAGE, "python")
    done = run(sys.executable, "-c", snippet.replace(ADDRESS, shared_server.address))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == re.findall(r"print.*  # (.*)", snippet)


def test_the_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!https:)([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link


def test_the_program_in_go_is_the_one_shown_and_follows_operations(
    shared_server: ServerProcess, client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = blocks(PAGE, "go")
    assert shown in (EXAMPLE / "main.go").read_text()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    follow = build(shared_server.address)
    waiting = client.create(queue=queue)
    assert follow(waiting.id, "cancel") == [
        f"tasks/{waiting.id} in {queue} is STATUS_QUEUED",
        f"failed: Canceled CLIENT_REQUEST map[execution:NOT_STARTED id:{waiting.id}]",
    ]
    client.create_batch([NewTask(queue=queue)] * 2)
    first, second = client.claim([queue], max_tasks=2)
    success = first.report(Success(result=b"out"))
    assert follow(first.task.id, then=lambda: client.finish([success])) == [
        f"tasks/{first.task.id} in {queue} is STATUS_RUNNING",
        "result: out",
    ]
    client.finish([second.report(Failure(reason=Reason.BAD_EXIT, exit_code=3))])
    assert follow(second.task.id) == [
        f"tasks/{second.task.id} in {queue} is STATUS_ERROR",
        f"failed: Unknown BAD_EXIT map[execution:ENDED exit_code:3 id:{second.task.id}]",
    ]


def build(address: str) -> Callable[..., list[str]]:
    """Build the program as its README says, and return what runs it and tells what it prints."""
    for program, what in NEEDED.items():
        if not shutil.which(program):
            pytest.fail(f"{program} is not found: install {what}")
    (commands,) = blocks(EXAMPLE / "README.md", "console")
    *making, following = commands.splitlines()
    for command in making:
        made = run(*command.split(), limit=BUILD_LIMIT)
        assert made.returncode == 0, made.stderr

    def follow(task_id: str, *words: str, then: Callable[[], object] = int) -> list[str]:
        line = following.replace(ADDRESS, address).replace("hello-1", task_id)
        command = [*line.split()[:3], *words]
        with subprocess.Popen(command, cwd=EXAMPLE, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout
            printed = program.stdout.readline()
            then()
            printed += program.stdout.read()
        assert program.returncode == 0
        return printed.splitlines()

    return follow

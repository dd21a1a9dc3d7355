"""Runs the program in Go that docs/operations.md shows a part of."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from building import BUF, GO, build, find_installed_first
from pages import ADDRESS, blocks

from harness import ServerProcess
from idstatus import Client, Failure, NewTask, Reason, Success

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/operations.md"
EXAMPLE = ROOT / "examples/operations"


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[Client]:
    with Client(shared_server.address) as client:
        yield client


def test_the_program_in_go_is_the_one_shown_and_follows_operations(
    shared_server: ServerProcess, client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = blocks(PAGE, "go")
    assert shown in (EXAMPLE / "main.go").read_text()
    find_installed_first(monkeypatch)
    follow = built(shared_server.address)
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


def built(address: str) -> Callable[..., list[str]]:
    """Build the program as its README says, and return what runs it and tells what it prints."""
    following = build(EXAMPLE, {"go": GO, "buf": BUF}).replace(ADDRESS, address)

    def follow(task_id: str, *words: str, then: Callable[[], object] = int) -> list[str]:
        command = [*following.replace("hello-1", task_id).split()[:3], *words]
        with subprocess.Popen(command, cwd=EXAMPLE, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout
            printed = program.stdout.readline()
            then()
            printed += program.stdout.read()
        assert program.returncode == 0
        return printed.splitlines()

    return follow

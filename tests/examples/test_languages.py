"""Builds and plays the examples in other languages, as their READMEs say."""

import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest
from building import BUF, GO, build, find_installed_first
from faults.trial import BrokenServer
from pages import ADDRESS

from harness import ServerProcess
from idstatus import (
    Client,
    Execution,
    ListOrder,
    NewTask,
    Progress,
    Status,
    Stopped,
    Success,
    TaskFilter,
    TaskView,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = re.findall(
    r"^\| \d+ \|.*\| `(.*)` \|$", (EXAMPLES / "scenario.md").read_text(), re.MULTILINE
)
RESTART = "restart the server"
PLAY_LIMIT = 150.0

# The programs that the README's commands need, and what to install if one is not found.
NEEDED = {
    "go": {"go": GO, "buf": BUF},
    "node": {"npm": "Node.js 20 or newer with npm, https://nodejs.org"},
    "java": {
        "javac": "a JDK, 17 or newer (Debian: openjdk-17-jdk-headless)",
        "mvn": "Maven 3.8 or newer (Debian: maven)",
    },
    "rust": {"cargo": "Rust 1.88 or newer, https://rustup.rs"},
    "cpp": {
        "cmake": "CMake 3.16 or newer and a C++ compiler (Debian: cmake, g++)",
        "protoc": "protobuf and its compiler (Debian: libprotobuf-dev, protobuf-compiler)",
        "grpc_cpp_plugin": "gRPC and its compiler (Debian: libgrpc++-dev, protobuf-compiler-grpc)",
    },
}
HALF_WAY = Progress(fraction=0.5, message="half way")
# What the server must hold in the end: payload, statuses, execution, progress, result, message.
HELD = [
    (
        b"hello",
        [Status.QUEUED, Status.RUNNING, Status.SUCCESS],
        Execution.ENDED,
        HALF_WAY,
        b"HELLO",
        "",
    ),
    (
        b"forever",
        [Status.QUEUED, Status.RUNNING, Status.CANCELLED],
        Execution.ENDED,
        None,
        b"",
        "not today",
    ),
    (b"later", [Status.QUEUED], Execution.NOT_STARTED, None, b"", ""),
]


@pytest.fixture(autouse=True)
def installed_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make install` brings is found first."""
    find_installed_first(monkeypatch)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BrokenServer]:
    """A server with faults that can be switched on."""
    server = BrokenServer(tmp_path).start()
    yield server
    server.kill()


@dataclass(frozen=True)
class Played:
    """What came of a program."""

    printed: list[str]
    complained: str
    status: int


def play(
    command: str, folder: Path, restart: Callable[[], object], limit: float = PLAY_LIMIT
) -> Played:
    """Play a program to its end, and restart the server when it asks for that."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            ["bash", "-euc", command],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as program,
    ):
        assert program.stdout
        giving_up = Timer(limit, os.killpg, (program.pid, signal.SIGKILL))
        giving_up.start()
        printed = []
        for line in program.stdout:
            printed.append(line.rstrip("\n"))
            if printed[-1] == RESTART:
                restart()
        status = program.wait()
        giving_up.cancel()
        errors.seek(0)
        return Played(printed, errors.read(), status)


def held(server: ServerProcess) -> list[object]:
    """Return what the server holds of the tasks of the newest queue, the oldest first."""
    with Client(server.address) as client:
        newest = next(client.list())
        tasks = client.list(
            TaskFilter(queues=[newest.queue]), order=ListOrder.OLDEST_FIRST, view=TaskView.FULL
        )
        return [
            (
                task.payload,
                [transition.to_status for transition in task.transitions],
                task.execution,
                task.progress,
                task.result,
                task.message,
            )
            for task in tasks
        ]


def changes(folder: Path) -> str:
    """Return what git sees as changed or new in a folder."""
    command = ["git", "status", "--porcelain", "--untracked-files=all", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("language", NEEDED)
def test_an_example_plays_the_scenario_unless_the_server_is_wrong(
    server: BrokenServer, language: str
) -> None:
    folder = EXAMPLES / language
    before = changes(folder)

    def restart() -> None:
        server.kill()
        server.start()

    command = build(folder, NEEDED[language]).replace(ADDRESS, server.address)
    assert server.address in command
    assert play(command, folder, restart) == Played(LINES, "", 0)
    assert held(server) == HELD
    assert changes(folder) == before

    server.switch("second-end")  # a task that has ended can be cancelled all the same
    wrong = play(command, folder, restart)
    assert (wrong.printed, wrong.status) == (LINES[:10], 1)
    assert wrong.complained


def test_no_example_is_left_out() -> None:
    pages = [page for page in EXAMPLES.glob("*/README.md") if "scenario.md" in page.read_text()]
    assert {page.parent.name for page in pages} == set(NEEDED)


@pytest.mark.parametrize("language", NEEDED)
def test_what_is_not_installed_fails_the_test_and_the_failure_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for program, what in NEEDED[language].items():
        with pytest.raises(pytest.fail.Exception, match=re.escape(f"install {what}")):
            build(EXAMPLES / language, NEEDED[language])
        (tmp_path / program).touch(mode=0o755)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("", Played(LINES, "", 0)),
        (" | sed 3d", Played(LINES[:2] + LINES[3:], "", 0)),
        ("; echo more", Played([*LINES, "more"], "", 0)),
        ("; echo why >&2", Played(LINES, "why\n", 0)),
        ("; exit 1", Played(LINES, "", 1)),
    ],
)
def test_what_a_program_says_is_seen(tmp_path: Path, fault: str, seen: Played) -> None:
    restarts: list[int] = []
    command = shlex.join(["printf", "%s\\n", *LINES]) + fault
    assert play(command, tmp_path, lambda: restarts.append(1)) == seen
    assert restarts == [1]


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    hung = play("sleep 600 & wait", tmp_path, lambda: None, limit=0.1)
    assert hung == Played([], "", -signal.SIGKILL)


def act(server: ServerProcess, left_out: str) -> None:
    """Do to the tasks of a queue what a program should, but for one step."""
    with Client(server.address) as client:
        queue = f"without-{left_out}"
        client.create_batch(
            [NewTask(payload=b"hello", queue=queue), NewTask(payload=b"forever", queue=queue)]
        )
        first, second = client.claim([queue], max_tasks=2)
        steps: dict[str, Callable[[], object]] = {
            "extend": lambda: client.extend([first.lease(HALF_WAY)]),
            "finish": lambda: client.finish([first.report(Success(result=b"HELLO"))]),
            "cancel": lambda: client.cancel(second.task.id, message="not today"),
            "stop": lambda: client.finish([second.report(Stopped())]),
            "create": lambda: client.create(b"later", queue=queue),
        }
        for name, step in steps.items():
            if name != left_out:
                step()


def test_what_a_program_did_is_seen_and_each_step_that_it_left_out(server: ServerProcess) -> None:
    act(server, "nothing")
    assert held(server) == HELD
    for left_out in ("extend", "finish", "cancel", "stop", "create"):
        act(server, left_out)
        assert held(server) != HELD, left_out

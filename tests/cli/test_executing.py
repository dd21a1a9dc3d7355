"""Each way in which a real process ends has its status and its reason."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.program import LIMIT, Idstatus, is_alive, until, until_status

from idstatus import Client, Status

StartRunner = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def execute(
    idstatus: Idstatus, queue: str, start_runner: StartRunner
) -> Callable[..., dict[str, Any]]:
    """Has a runner execute a command, and returns the task as JSON once it has ended."""

    def do(
        *command: str, flags: tuple[str, ...] = (), options: tuple[str, ...] = (), status: int = 10
    ) -> dict[str, Any]:
        start_runner(*flags)
        whole = ("exec", "-q", queue, "--wait", "-o", "json", *options, "--", *command)
        (task,) = idstatus.json(*whole, status=status)
        return task

    return do


Execute = Callable[..., dict[str, Any]]


def reason(task: dict[str, Any]) -> tuple[str, str | None, int | None, int | None]:
    return task["status"], task.get("reason"), task.get("exit_code"), task.get("signal")


def test_exit_0_is_success_and_the_output_is_the_result(execute: Execute) -> None:
    task = execute("sh", "-c", "echo out; echo err >&2", status=0)
    assert reason(task) == ("success", None, None, None)
    assert (task["result"], task["execution"]) == ("out\nerr\n", "ended")


def test_of_a_long_output_the_end_is_the_result(execute: Execute) -> None:
    task = execute(sys.executable, "-c", "print('x' * 1_000_000 + 'end')", status=0)
    assert len(task["result"]) == 64 * 1024
    assert task["result"].endswith("xend\n")


def test_another_exit_status_is_bad_exit_and_the_last_line_says_why(execute: Execute) -> None:
    task = execute("sh", "-c", "echo first; echo no such luck; exit 3")
    assert reason(task) == ("error", "bad_exit", 3, None)
    assert task["message"] == "exit status 3: no such luck\nfirst\nno such luck"


def test_death_by_a_signal_is_killed(execute: Execute) -> None:
    task = execute("sh", "-c", "kill -SEGV $$")
    assert reason(task) == ("error", "killed", None, signal.SIGSEGV)
    assert task["message"] == "ended by SIGSEGV"


def test_too_much_memory_is_killed_also_when_a_child_takes_it(execute: Execute) -> None:
    hoard = f"{sys.executable} -c 'import time; x = bytearray(1 << 28); time.sleep(60)'"
    task = execute("sh", "-c", f"{hoard}; exit 5", flags=("--memory", "100M"))
    assert reason(task) == ("error", "killed", None, signal.SIGKILL)
    assert task["message"] == "exceeded the memory limit of 100 MiB"


def test_within_the_memory_limit_a_process_ends_by_itself(execute: Execute) -> None:
    task = execute("sh", "-c", "exit 2", flags=("--memory", "1G"))
    assert reason(task) == ("error", "bad_exit", 2, None)


def test_past_the_timeout_a_process_is_asked_to_end(execute: Execute, tmp_path: Path) -> None:
    tidied = tmp_path / "tidied"
    script = f"trap 'touch {tidied}; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    task = execute("sh", "-c", script, options=("--timeout", "5s"))
    assert reason(task) == ("error", "timeout", 7, None)
    assert task["message"].startswith("timed out after 5 s: ")
    assert "ready" in task["message"]
    assert tidied.exists()


def test_a_process_that_does_not_end_when_asked_is_killed(execute: Execute, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ > {pids}; while :; do sleep 0.1; done"
    task = execute("sh", "-c", script, options=("--timeout", "5s"))
    assert reason(task) == ("error", "timeout", None, signal.SIGKILL)
    assert not is_alive(int(pids.read_text()))


def test_a_cancelled_tasks_processes_are_ended_at_once_and_that_is_reported(
    idstatus: Idstatus, client: Client, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 600 & echo $$ $! > {pids}; wait"
    start_runner()
    task_id = idstatus.says("exec", "--queue", queue, "--", "sh", "-c", script)
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    processes = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_alive, processes))
    assert "may still be at work" in idstatus.says("cancel", task_id)
    until(lambda: client.status(task_id).execution == "ended")
    assert not any(map(is_alive, processes))
    (task,) = idstatus.json("get", task_id, "-o", "json")
    assert reason(task) == ("cancelled", "client_request", None, None)
    assert task["late_report"]["outcome"] == {"stopped": {}}


def test_nothing_that_a_command_started_outlives_it(execute: Execute, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    task = execute("sh", "-mc", f"sleep 600 & echo $! > {pid}", status=0)
    assert task["execution"] == "ended"
    assert not is_alive(int(pid.read_text()))


def test_a_retry_that_succeeds_is_followed(
    idstatus: Idstatus, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    start_runner()
    marker = tmp_path / "marker"
    script = f"test -e {marker} && echo at last || {{ touch {marker}; exit 4; }}"
    options = ("--queue", queue, "--retries", "2", "--retry-delay", "100ms")
    command = ("exec", *options, "--wait", "--follow-retries", "--", "sh", "-c", script)
    assert idstatus.says(*command) == "at last"


def test_the_output_is_printed_as_it_was_and_a_failure_in_one_line(
    idstatus: Idstatus, queue: str, start_runner: StartRunner
) -> None:
    start_runner()
    wait = ("exec", "--queue", queue, "--wait", "--")
    assert idstatus(*wait, "printf", r"\377").stdout == b"\xff"
    line = idstatus.complains(*wait, "false", status=10)
    assert line.endswith("error/bad_exit, exit status 1")


def test_a_command_gets_the_environment_and_the_folder_that_it_asks_for(
    execute: Execute, tmp_path: Path
) -> None:
    options = ("--env", "WORD=a b", "--cwd", str(tmp_path), "--id", f"id-{tmp_path.name}")
    script = 'echo "$WORD"; pwd; echo $IDSTATUS_TASK_ID'
    task = execute("sh", "-c", script, options=options, status=0)
    assert task["result"].splitlines() == ["a b", str(tmp_path), task["id"]]


@pytest.mark.parametrize(
    ("command", "exit_code", "why"),
    [
        ("/no/such/program", 127, "No such file or directory"),
        ("/etc/passwd", 126, "Permission denied"),
    ],
)
def test_a_command_that_cannot_be_started_is_bad_exit_as_in_a_shell(
    execute: Execute, command: str, exit_code: int, why: str
) -> None:
    task = execute(command)
    assert reason(task) == ("error", "bad_exit", exit_code, None)
    assert task["message"] == f"cannot start {command}: {why}"


def test_a_task_that_is_no_command_line_is_bad_exit_and_nothing_is_executed(
    idstatus: Idstatus, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    start_runner()
    touched = tmp_path / "touched"
    payload = f'{{"argv": ["touch", "{touched}"]}}'
    task_id = idstatus.says("create", "--queue", queue, "--payload", payload)
    (task,) = idstatus.json("wait", task_id, "-o", "json", status=10)
    assert reason(task) == ("error", "bad_exit", None, None)
    assert "not a command line" in task["message"]
    assert not touched.exists()


def test_without_allow_exec_nothing_is_executed(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    task_id = idstatus.says("exec", "--queue", queue, "--", "touch", "nothing")
    line = idstatus.complains("runner", "--queue", queue, status=2)
    assert "--allow-exec" in line
    assert client.status(task_id).status is Status.QUEUED


def test_a_runner_that_is_told_to_stop_lets_its_tasks_end(
    idstatus: Idstatus, client: Client, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    runner = start_runner()
    go_on = tmp_path / "go-on"
    script = f"until test -e {go_on}; do sleep 0.02; done; echo done"
    task_id = idstatus.says("exec", "--queue", queue, "--", "sh", "-c", script)
    until_status(client, task_id, Status.RUNNING)
    runner.terminate()
    assert runner.stderr
    assert any("drains" in line for line in runner.stderr)
    left = idstatus.says("exec", "--queue", queue, "--", "true")
    go_on.touch()
    assert runner.wait(LIMIT) == 0
    assert client.get(task_id).result == b"done\n"
    assert client.status(left).status is Status.QUEUED


def test_tasks_that_outlast_a_drain_are_killed_and_reported(
    idstatus: Idstatus, client: Client, queue: str, start_runner: StartRunner
) -> None:
    runner = start_runner("--drain", "100ms", "--name", "short-lived")
    task_id = idstatus.says("exec", "--queue", queue, "--", "sleep", "600")
    until_status(client, task_id, Status.RUNNING)
    runner.terminate()
    assert runner.wait(LIMIT) == 0
    task = client.get(task_id)
    assert (task.status, task.reason, task.runner) == ("error", "killed", "short-lived")


def test_a_second_signal_ends_a_runner_and_its_processes_at_once(
    idstatus: Idstatus, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    with idstatus.started("runner", "--queue", queue, "--allow-exec") as runner:
        idstatus("exec", "--queue", queue, "--", "sh", "-c", f"echo $$ > {pid}; exec sleep 600")
        until(lambda: pid.exists() and pid.read_text())
        runner.send_signal(signal.SIGINT)
        assert runner.stderr
        assert any("drains" in line for line in runner.stderr)
        runner.send_signal(signal.SIGINT)
        assert runner.wait(LIMIT) == 130
    assert not is_alive(int(pid.read_text()))


def test_a_runner_runs_as_many_tasks_at_once_as_it_has_room_for_from_several_queues(
    idstatus: Idstatus, client: Client, queue: str, start_runner: StartRunner, tmp_path: Path
) -> None:
    meeting = "touch $1; until test -e $2; do sleep 0.02; done"
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    start_runner("--queue", f"{queue}-more", "--capacity", "2")
    ids = [
        idstatus.says("exec", "--queue", queue, "--", "sh", "-c", meeting, "-", one, other),
        idstatus.says("exec", "--queue", f"{queue}-more", "sh", "-c", meeting, "-", other, one),
    ]
    idstatus("wait", *ids)

import subprocess
import sys
from pathlib import Path

import pytest
from cli.program import BIN, LIMIT, Idstatus

from harness import free_port

COMMANDS = (
    "create exec get list wait watch cancel retry delete queues runner".split()  # noqa: SIM905
)


def test_help_names_every_command_and_the_exit_statuses(idstatus: Idstatus) -> None:
    said = idstatus.says("--help")
    for command in COMMANDS:
        assert f" {command} " in said
    assert "Exit status: 0 done" in said
    assert idstatus.says("--version").startswith("idstatus 0.")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help(idstatus: Idstatus, command: str) -> None:
    assert f"Usage: idstatus {command} " in idstatus.says(command, "--help")


@pytest.mark.parametrize("command", ["get", "wait", "watch", "cancel", "retry", "delete"])
def test_an_unknown_task_is_one_line_and_exit_status_3(idstatus: Idstatus, command: str) -> None:
    line = idstatus.complains(command, "no-such-task", status=3)
    assert line == "idstatus: there is no task no-such-task [TASK_NOT_FOUND]"


def test_faulty_fields_are_named_in_one_line_and_exit_status_2(idstatus: Idstatus) -> None:
    line = idstatus.complains("create", "--queue", "NO", "--id", "a b", status=2)
    assert "queue:" in line
    assert "task_id:" in line


def test_a_refusal_is_exit_status_1(idstatus: Idstatus, queue: str) -> None:
    idstatus("create", "--id", queue)
    assert "TASK_EXISTS" in idstatus.complains("create", "--id", queue, status=1)


@pytest.mark.parametrize("arguments", [["nonsense"], ["get"], ["list", "--status", "lost"]])
def test_a_wrong_command_line_is_exit_status_2(idstatus: Idstatus, arguments: list[str]) -> None:
    assert b"Usage: idstatus" in idstatus(*arguments, status=2).stderr


def test_words_that_are_not_utf_8_are_exit_status_2(idstatus: Idstatus, queue: str) -> None:
    line = idstatus.complains("create", "--queue", queue, "--label", "a=\udcff", status=2)
    assert "utf-8" in line


def test_no_server_is_exit_status_4(idstatus: Idstatus) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    line = idstatus.complains("--address", nowhere, "--timeout", "1s", "list", status=4)
    assert line.startswith("idstatus: ")


@pytest.mark.parametrize("arguments", [["list"], ["list", "-o", "json"], ["queues"]])
def test_a_full_disk_is_one_line_and_exit_status_1(
    idstatus: Idstatus, queue: str, arguments: list[str]
) -> None:
    idstatus("create", "--queue", queue)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [BIN / "idstatus", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=idstatus.environ,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"idstatus: cannot print: No space left on device\n"


def test_a_reader_that_has_seen_enough_is_no_error_to_speak_of(
    idstatus: Idstatus, queue: str
) -> None:
    idstatus("create", "--queue", queue)
    with idstatus.started("watch", "-o", "json") as watch:
        assert watch.stdout
        assert watch.stderr
        assert watch.stdout.readline()
        watch.stdout.close()
        idstatus("create", "--queue", queue)
        assert watch.stderr.read() == ""
        assert watch.wait(LIMIT) == 1


def test_without_the_extra_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; from idstatus.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == ("idstatus: the command line needs more: pip install 'idstatus[cli]'\n")

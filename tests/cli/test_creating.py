from datetime import timedelta
from pathlib import Path

from cli.program import Idstatus

from idstatus import Client, Status
from idstatus.cli.execution.command_line import CONTENT_TYPE, CommandLine


def test_create_prints_the_id_and_on_a_pipe_nothing_else(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    task_id = idstatus.says("create", "--queue", queue)
    assert client.get(task_id).queue == queue


def test_create_sends_all_that_it_is_given(idstatus: Idstatus, client: Client, queue: str) -> None:
    task_id = f"chosen-{queue}"
    what = ("--queue", queue, "--payload", "hello", "--content-type", "text/plain")
    when = ("--delay", "1h", "--timeout", "90", "--priority", "7")
    again = ("--retries", "3", "--retry-delay", "1.5m")
    names = ("--label", "a=b", "--label", "c=d=e", "--unique-key", queue, "--id", task_id)
    assert idstatus.says("create", *what, *when, *again, *names) == task_id
    task = client.get(task_id)
    assert (task.payload, task.content_type) == (b"hello", "text/plain")
    assert (task.status, task.timeout, task.priority) == (
        Status.DELAYED,
        timedelta(seconds=90),
        7,
    )
    assert task.run_time
    assert task.create_time
    assert task.run_time - task.create_time == timedelta(hours=1)
    assert task.retry_policy
    assert task.retry_policy.max_retries == task.retries_left == 3
    assert task.retry_policy.retry_delay == timedelta(seconds=90)
    assert (task.labels, task.unique_key) == ({"a": "b", "c": "d=e"}, queue)


def test_a_payload_may_be_in_a_file_or_on_stdin(
    idstatus: Idstatus, client: Client, queue: str, tmp_path: Path
) -> None:
    file = tmp_path / "payload"
    file.write_bytes(b"\0\xff")
    from_file = idstatus.says("create", "-q", queue, "--payload-file", str(file))
    command = ("create", "-q", queue, "--payload-file", "-")
    from_stdin = idstatus(*command, stdin=b"\xfe").stdout.decode().strip()
    assert client.get(from_file).payload == b"\0\xff"
    assert client.get(from_stdin).payload == b"\xfe"


def test_two_payloads_or_an_unreadable_one_create_nothing(
    idstatus: Idstatus, client: Client, queue: str, tmp_path: Path
) -> None:
    idstatus("create", "-q", queue, "--payload", "a", "--payload-file", "b", status=2)
    idstatus("create", "-q", queue, "--payload-file", str(tmp_path / "none"), status=2)
    idstatus("create", "-q", queue, "--label", "no equals sign", status=2)
    idstatus("create", "-q", queue, "--delay", "soon", status=2)
    assert queue not in {found.name for found in client.queues()}


def test_create_prints_the_task_as_json(idstatus: Idstatus, queue: str) -> None:
    (task,) = idstatus.json("create", "-q", queue, "--timeout", "2m", "-o", "json")
    assert (task["status"], task["queue"], task["timeout"]) == ("queued", queue, 120.0)
    assert "payload" not in task


def test_exec_creates_a_task_that_carries_the_command_line_as_it_was_typed(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    options = ("-q", queue, "--env", "A=1", "--cwd", "/srv", "--priority", "3")
    task_id = idstatus.says("exec", *options, "--", "sh", "-c", "echo $A", "--queue", "é\udcff")
    task = client.get(task_id)
    assert (task.content_type, task.priority) == (CONTENT_TYPE, 3)
    command = CommandLine.decode(task.content_type, task.payload)
    assert command.argv == ("sh", "-c", "echo $A", "--queue", "é\udcff")
    assert (command.env, command.cwd) == ({"A": "1"}, "/srv")


def test_what_follows_the_command_belongs_to_the_command(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    task = client.get(idstatus.says("exec", "-q", queue, "ls", "-o", "json"))
    assert CommandLine.decode(task.content_type, task.payload).argv == ("ls", "-o", "json")

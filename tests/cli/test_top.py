"""`top`: what it shows, and what its keys do, in a real terminal."""

import json
from collections.abc import Callable

import pytest
from cli.program import BIN, Idstatus
from cli.terminal import Terminal

from harness import ServerProcess
from idstatus import Claim, Client, Failure, Lease, Progress, Reason, Status


@pytest.fixture
def top(idstatus: Idstatus, queue: str) -> Callable[..., Terminal]:
    def start() -> Terminal:
        command = (str(BIN / "idstatus"), "top", "--queue", queue)
        return Terminal(*command, environ=idstatus.environ)

    return start


def claimed(client: Client, queue: str) -> Claim:
    client.create(queue=queue)
    (claim,) = client.claim([queue], runner="box-7")
    return claim


def progressed(client: Client, claim: Claim, fraction: float, message: str) -> None:
    progress = Progress(fraction=fraction, message=message)
    client.extend([Lease(id=claim.task.id, lease_token=claim.lease_token, progress=progress)])


def test_it_shows_what_waits_runs_and_failed_and_follows_it(
    client: Client, queue: str, top: Callable[..., Terminal]
) -> None:
    failing, running = claimed(client, queue), claimed(client, queue)
    client.finish([failing.report(Failure(reason=Reason.KILLED, message="no memory"))])
    with top() as screen:
        screen.looks(
            rf"{queue} +0 +0 +1 +0 +1",
            rf"{running.task.id} .* box-7",
            rf"{failing.task.id} .* error/killed +no memory",
        )
        progressed(client, running, 0.4, "reading")
        screen.looks("━━━.* 40% reading")
        waiting = client.create(queue=queue)
        screen.looks("1 queued", r"0\.[1-9] created/s")
        client.finish([running.report(Failure(message="broken"))])
        screen.looks(r"RUNNING \(0\)", rf"{running.task.id} .* error/bad_exit +broken")
        client.claim([queue], runner="box-8")
        screen.looks(rf"{waiting.id} .* box-8")
        screen.types("q")
        status, rest = screen.ends()
    assert status == 0
    # The cursor, and the screen that was there before.
    assert rest.endswith("\x1b[?25h\x1b[?1049l")


def test_its_keys_cancel_retry_and_pause_once_that_is_confirmed(
    client: Client, queue: str, top: Callable[..., Terminal]
) -> None:
    failing = claimed(client, queue)
    client.finish([failing.report(Failure())])
    first, second = claimed(client, queue), claimed(client, queue)
    with top() as screen:
        screen.looks(r"RUNNING \(2\)")
        screen.types("jc")
        screen.looks(rf"cancel {second.task.id}\? y or n")
        screen.types("n")
        screen.looks("c cancel")
        screen.types("c")
        screen.looks(rf"cancel {second.task.id}\? y or n")
        screen.types("y")
        screen.looks(r"RUNNING \(1\)", f"done: cancel {second.task.id}")
        screen.types("\tr")
        screen.looks(rf"retry {failing.task.id}\? y or n")
        screen.types("y")
        screen.looks(rf"{failing.task.id}.*retried by", "1 queued")
        screen.types("\tp")
        screen.looks(rf"pause {queue}\? y or n")
        screen.types("y")
        screen.looks(rf"{queue}.* paused")
        screen.ctrl_c()
        assert screen.ends()[0] == 0
    assert client.status(first.task.id).status is Status.RUNNING
    assert client.status(second.task.id).status is Status.CANCELLED
    assert client.queue(queue).paused


def test_it_outlives_a_restart_of_the_server_and_a_window_of_another_size(
    server: ServerProcess, queue: str
) -> None:
    environ = Idstatus(server.address).environ
    with (
        Client(server.address) as client,
        Terminal(str(BIN / "idstatus"), "top", environ=environ) as screen,
    ):
        screen.looks(r"QUEUES \(0\)")
        server.kill()
        screen.looks("not up to date: ")
        server.start()
        running = claimed(client, queue)
        lines = screen.looks(rf"{queue} +0 +0 +1", rf"{running.task.id} .*box-7", "q quit")
        assert not any("not up to date" in line for line in lines)
        for _ in range(30):
            claimed(client, queue)
        screen.resize(80, 20)
        lines = screen.looks(r"RUNNING \(31\)", "q quit")
        assert running.task.id in lines[6]
        screen.types("q")
        assert screen.ends()[0] == 0


def test_without_a_terminal_it_is_printed_once(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    claim = claimed(client, queue)
    shown = idstatus.says("top", "--queue", queue)
    assert "\x1b" not in shown
    assert [line.split()[0] for line in shown.splitlines() if line] == [
        "QUEUES",
        queue,
        "RUNNING",
        claim.task.id,
        "FAILURES",
    ]


def test_for_scripts_it_is_one_object(idstatus: Idstatus, client: Client, queue: str) -> None:
    claim = claimed(client, queue)
    told = json.loads(idstatus.says("top", "--queue", queue, "-o", "json"))
    assert [one["name"] for one in told["queues"]] == [queue]
    assert [task["id"] for task in told["running"]] == [claim.task.id]
    assert "failures" not in told

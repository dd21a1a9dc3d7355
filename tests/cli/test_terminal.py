"""What a person sees: a real pseudo-terminal, read by a terminal emulator."""

import re
from collections.abc import Callable

import pytest
from cli.program import BIN, Idstatus
from cli.terminal import Terminal, screen

from idstatus import Client, Failure, Lease, Outcome, Progress, Success

Finish = Callable[[Outcome], None]
Show = Callable[..., Terminal]


@pytest.fixture
def show(idstatus: Idstatus) -> Show:
    """Runs `idstatus` in a terminal."""

    def do(*arguments: str, columns: int = 160) -> Terminal:
        return Terminal(
            str(BIN / "idstatus"), *arguments, columns=columns, environ=idstatus.environ
        )

    return do


def test_a_watch_has_colours_on_a_terminal_and_none_on_a_pipe(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish, show: Show
) -> None:
    task = client.create(queue=queue)
    with show("watch", task.id) as watch:
        watch.shows("queued")
        finish(Failure(message="broken"))
        watch.shows(r"\x1b\[1;31merror/bad_exit")
        watch.shows("broken")
        assert watch.ends()[0] == 0
    assert "\x1b" not in idstatus.says("watch", task.id)


def test_ctrl_c_ends_a_watch_quietly(client: Client, queue: str, show: Show) -> None:
    client.create(queue=queue)
    with show("watch", "--queue", queue) as watch:
        watch.shows("queued.*\n")
        watch.ctrl_c()
        assert watch.ends() == (130, "^C")


def test_ctrl_c_ends_a_wait_quietly(queue: str, show: Show) -> None:
    with show("exec", "--queue", queue, "--wait", "--", "true") as wait:
        wait.shows("queued  .*")
        wait.ctrl_c()
        status, rest = wait.ends()
    assert status == 130
    assert rest.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, and the bar is gone


def test_a_created_task_is_shown_with_a_word_about_it(queue: str, show: Show) -> None:
    with show("create", "--queue", queue, "--id", queue) as create:
        assert create.ends() == (0, f"{queue}  queued  {queue}\r\n")


def test_a_list_fits_a_narrow_terminal_and_never_cuts_an_id(
    client: Client, queue: str, finish: Finish, show: Show
) -> None:
    task = client.create(queue=queue)
    finish(Failure(message="a long story " * 20))
    with show("list", "--queue", queue, columns=80) as listing:
        status, output = listing.ends()
    head, row, *rest = screen(output)
    assert status == 0
    assert head.startswith("ID ")
    assert row.startswith(f"{task.id}  error/bad_exit  ")
    assert row.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert len(row) == 80
    assert not any(rest)


@pytest.mark.parametrize("command", ["get {id}", "list --queue {queue}", "watch {id}"])
def test_what_others_wrote_does_nothing_to_the_terminal(
    client: Client, queue: str, show: Show, command: str
) -> None:
    task = client.create("\x1b[2Jpayload", queue=queue, labels={"a": "\x1b]0;title\x07"})
    client.cancel(task.id, message="\x1b[31mred\x9b\nalert")
    with show(*command.format(id=task.id, queue=queue).split()) as shown:
        status, output = shown.ends()
    assert status == 0
    harmless = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert not {"\x1b", "\x9b", "\x07"}.intersection(harmless)
    assert "[31mred" in harmless


def test_a_wait_shows_how_far_the_task_is_and_leaves_only_its_end(
    client: Client, queue: str, show: Show
) -> None:
    task = client.create(queue=queue)
    with show("wait", task.id) as wait:
        wait.looks(f"queued  {queue}")
        (claim,) = client.claim([queue])
        progress = Progress(fraction=0.5, message="half way")
        client.extend([Lease(id=task.id, lease_token=claim.lease_token, progress=progress)])
        wait.looks(f"running  {queue}, 50% half way")
        client.finish([claim.report(Success())])
        (line, *rest) = wait.looks(f"success .*{task.id}")
    assert line.endswith(f"{task.id}  {queue}")
    assert not any(rest)


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(
    idstatus: Idstatus, client: Client, queue: str, environ: dict[str, str], show: Show
) -> None:
    task = client.create(queue=queue)
    idstatus.environ.update(environ)
    with show("watch", task.id) as watch:
        client.cancel(task.id)
        status, output = watch.ends()
    assert status == 0
    assert "cancelled" in output
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", output)

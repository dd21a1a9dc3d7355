"""Draws what `top` and `explain` show of a real server, as SVG. `make pictures` calls it."""
# ruff: noqa: INP001  # a script

import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from idstatus import Client, Failure, Lease, NewTask, Progress, Reason, RetryPolicy, Success
from idstatus.cli import output
from idstatus.cli.explanation import explain
from idstatus.cli.top.board import Board
from idstatus.cli.top.feed import Feed
from idstatus.cli.top.screen import Screen

DOCS = Path(__file__).parent.parent / "docs"
WORK = {"invoices": 7, "mail": 12, "thumbnails": 40}
EXPLAINED = ("thumbnails-20", "mail-4711")
# Seconds that the tasks wait and run before they are drawn.
AGE = 5
RUNNING = (("invoices", "box-1", 0.72, "page 18 of 25"), ("thumbnails", "box-2", 0.3, "resizing"))


@contextmanager
def server() -> Iterator[str]:
    """Run a server; yield its address."""
    program = Path(sys.executable).parent / "idstatus-server"
    with tempfile.TemporaryDirectory() as folder:
        where = ("--listen", "127.0.0.1:50051", "--store", f"sqlite:///{folder}/idstatus.db")
        process = subprocess.Popen(  # noqa: S603  # our own program
            [program, *where], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout  # noqa: S101  # it is a pipe
        listens = re.search(r"listens on ([^, ]+)", process.stdout.readline())
        assert listens  # noqa: S101  # or it has not started
        yield listens[1]
        process.terminate()
        process.wait()


def play(client: Client) -> None:
    """Let tasks wait, run, fail and end."""
    policy = RetryPolicy(max_retries=2, retry_delay=0.0)
    new = NewTask(queue="mail", task_id="mail-4711", retry_policy=policy)
    client.create_batch([new])
    for signal in (9, None):
        (claim,) = client.claim(["mail"], runner="box-3")
        failure = Failure(reason=Reason.KILLED, message="exceeded 512 MiB", signal=9)
        other = Failure(message="550 no such mailbox", exit_code=1)
        client.finish([claim.report(failure if signal else other)])
    for queue, amount in WORK.items():
        names = (f"{queue}-{number}" for number in range(1, amount + 1))
        client.create_batch([NewTask(queue=queue, task_id=name) for name in names])
    for queue, runner, fraction, message in RUNNING:
        for claim in client.claim([queue], max_tasks=2, runner=runner, lease_duration=120):
            progress = Progress(fraction=fraction, message=message)
            client.extend(
                [Lease(id=claim.task.id, lease_token=claim.lease_token, progress=progress)]
            )
    client.finish([claim.report(Success()) for claim in client.claim(["mail"], max_tasks=5)])
    client.update_queue("thumbnails", max_running=2)
    client.update_queue("mail", paused=True)


def record(*, lines: int) -> Console:
    """Let what is printed from now on be a picture of so many lines."""
    output.stdout = Console(
        record=True,
        highlight=False,
        width=118,
        height=lines,
        force_terminal=True,
        file=io.StringIO(),
    )
    return output.stdout


def main() -> None:
    """Draw the pictures."""
    with server() as address, Client(address) as client:
        board = Board()
        feed = Feed(client, (), board)
        feed.start()
        play(client)
        time.sleep(AGE)
        console = record(lines=30)
        for task_id in EXPLAINED:
            console.print(f"$ idstatus explain {task_id}", style="bold")
            for line in explain(client.explain(task_id)):
                console.print(line, soft_wrap=True)
            console.print()
        console.save_svg(str(DOCS / "explain.svg"), title="idstatus explain")
        console = record(lines=26)
        console.print(Screen(client, board, feed).draw())
        console.save_svg(str(DOCS / "top.svg"), title="idstatus top")
        feed.stop()


if __name__ == "__main__":
    main()

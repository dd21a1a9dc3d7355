"""Real commands that succeed, fail, are killed, time out, are cancelled, delayed and retried.

`make demo` calls it. A server and a runner work together, each a program of its own, and what a
watch tells of it is shown live. It ends by itself with a summary, and with exit status 1 if
anything is not as it should be.
"""

import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from idstatus import (
    Client,
    Execution,
    NewTask,
    Reason,
    RetryPolicy,
    Status,
    Task,
    TaskFilter,
    TaskView,
)
from idstatus.cli.execution.command_line import CONTENT_TYPE, CommandLine
from idstatus.cli.words import change_line, ending, state, story

BIN = Path(sys.executable).parent
QUEUE = "demo"
LONGEST = 60.0
HOARD = "import time; hoard = bytearray(512 << 20); time.sleep(60)"

console = Console(highlight=False)
interrupted = threading.Event()


@dataclass(frozen=True, kw_only=True)
class Example:
    """A command, and what should become of it."""

    id: str
    argv: tuple[str, ...]
    status: Status
    reason: Reason | None = None
    exit_code: int | None = None
    signal: int | None = None
    """None: any, or none."""
    timeout: float = 30.0
    delay: float | None = None
    retries: int = 0

    def new_task(self) -> NewTask:
        """Return the task to create."""
        return NewTask(
            task_id=self.id,
            queue=QUEUE,
            payload=CommandLine(argv=self.argv).encode(),
            content_type=CONTENT_TYPE,
            timeout=self.timeout,
            delay=self.delay,
            retry_policy=RetryPolicy(max_retries=self.retries, retry_delay=1.0),
        )

    def fits(self, task: Task) -> bool:
        """Whether what became of it is what should have."""
        found = (task.status, task.reason, task.exit_code, bool(task.retried_by), task.execution)
        ended = Execution.ENDED
        wanted = (self.status, self.reason, self.exit_code, bool(self.retries), ended)
        return found == wanted and self.signal in (None, task.signal)


EXAMPLES = (
    Example(id="succeeds", argv=("echo", "hello"), status=Status.SUCCESS),
    Example(
        id="exits-with-3",
        argv=("sh", "-c", "echo no such luck; exit 3"),
        status=Status.ERROR,
        reason=Reason.BAD_EXIT,
        exit_code=3,
    ),
    Example(
        id="is-killed",
        argv=("sh", "-c", "kill -9 $$"),
        status=Status.ERROR,
        reason=Reason.KILLED,
        signal=9,
    ),
    Example(
        id="hoards-memory",
        argv=(sys.executable, "-c", HOARD),
        status=Status.ERROR,
        reason=Reason.KILLED,
        signal=9,
    ),
    Example(
        id="takes-too-long",
        argv=("sleep", "60"),
        timeout=3.0,
        status=Status.ERROR,
        reason=Reason.TIMEOUT,
    ),
    Example(
        id="is-cancelled",
        argv=("sleep", "60"),
        status=Status.CANCELLED,
        reason=Reason.CLIENT_REQUEST,
    ),
    Example(id="is-delayed", argv=("date",), delay=4.0, status=Status.SUCCESS),
    Example(
        id="fails-at-first",
        argv=("sh", "-c", "test -e marker || { touch marker; exit 4; }"),
        retries=2,
        status=Status.ERROR,
        reason=Reason.BAD_EXIT,
        exit_code=4,
    ),
)
RETRY = Example(id="its-retry", argv=(), status=Status.SUCCESS)


class Demo:
    """Makes it all happen, and knows what the watch has told so far."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: dict[str, Task] = {}

    def run(self) -> None:
        """Create the tasks, and follow them until all is over."""
        self._client.create_batch([example.new_task() for example in EXAMPLES])
        watch = self._client.watch(task_filter=TaskFilter(queues=[QUEUE]), view=TaskView.BASIC)
        too_long = threading.Timer(LONGEST, watch.close)
        too_long.daemon = True
        too_long.start()
        with watch, Live(self._table(), console=console, transient=True) as live:
            for change in watch:
                if interrupted.is_set():
                    raise KeyboardInterrupt
                if change.task:
                    self._hear(change.task)
                    live.console.print(change_line(change), soft_wrap=True)
                    live.update(self._table())
                if self._is_over():
                    break

    def summary(self) -> Table:
        """Return what became of each task."""
        table = Table("TASK", "STATUS", "REASON", "ENDED BY", "RETRIED BY", "OK", box=None)
        for example, task in self._rows():
            told = (
                str(task.status) if task else "",
                str(task.reason or "") if task else "",
                ending(task) if task else "",
                RETRY.id if task and task.retried_by else "",
                "yes" if task and example.fits(task) else "no",
            )
            table.add_row(example.id, *told)
        return table

    def surprises(self) -> int:
        """Return of how many tasks something else became than should have."""
        return sum(task is None or not example.fits(task) for example, task in self._rows())

    def _hear(self, task: Task) -> None:
        self._tasks[task.id] = task
        if task.retry_of and task.status is Status.SUCCESS:
            # About a second has gone by: the other one is in the middle of its work.
            self._client.cancel("is-cancelled", message="changed our mind")

    def _rows(self) -> Iterator[tuple[Example, Task | None]]:
        for example in EXAMPLES:
            task = self._tasks.get(example.id)
            yield example, task
            if task and task.retried_by:
                yield RETRY, self._tasks.get(task.retried_by)

    def _is_over(self) -> bool:
        return all(
            task and task.is_terminal and task.execution is Execution.ENDED
            for _, task in self._rows()
        )

    def _table(self) -> Table:
        table = Table("TASK", "STATUS", "", box=None)
        for example, task in self._rows():
            table.add_row(example.id, *((state(task), story(task)) if task else ()))
        return table


@contextmanager
def program(folder: Path, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """Run one of our programs for as long as the block takes; what it logs goes to a file."""
    with (folder / f"{command[0]}.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [BIN / command[0], *command[1:]],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


def interrupt(*_: object) -> None:
    """End it all. In a destructor Python swallows what is raised, so it is remembered, too."""
    interrupted.set()
    raise KeyboardInterrupt


def main() -> int:
    """Show it all, and return the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = f"sqlite:///{folder}/demo.db"
        flags = ("--listen", "127.0.0.1:0", "--store", store)
        with program(folder, "idstatus-server", *flags) as server:
            said = server.stdout.readline() if server.stdout else ""
            console.print(said.strip(), soft_wrap=True)
            address = said.partition("listens on ")[2].partition(",")[0]
            runner = ("idstatus", "--address", address, "runner", "--queue", QUEUE)
            limits = ("--allow-exec", "--capacity", "8", "--memory", "128M", "--drain", "1s")
            with program(folder, *runner, *limits), Client(address) as client:
                demo = Demo(client)
                demo.run()
        console.print("", demo.summary(), "", sep="\n")
        if demo.surprises():
            console.print((folder / "idstatus.log").read_text())
    if surprises := demo.surprises():
        console.print(f"{surprises} tasks did not end as expected.")
        return 1
    console.print("Every task ended as expected.")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

"""`runner`."""

import asyncio
import logging
import signal
from datetime import timedelta
from typing import Annotated

import typer

from idstatus.cli import exits, output
from idstatus.cli.execution.executor import Executor
from idstatus.cli.options import span_option
from idstatus.cli.parsing import size
from idstatus.clients import Client
from idstatus.runner.runner import Runner

_log = logging.getLogger("idstatus")

_DRAIN = timedelta(seconds=30)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def runner(
    ctx: typer.Context,
    *,
    queues: Annotated[
        list[str] | None,
        typer.Option("--queue", "-q", metavar="NAME", help="Or several, in order of preference."),
    ] = None,
    allow_exec: Annotated[
        bool, typer.Option("--allow-exec", help="Execute whatever a task of the queue asks for.")
    ] = False,
    capacity: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="How many tasks to run at once.")
    ] = 1,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="By default the host's name and the process id.")
    ] = "",
    memory: Annotated[
        int | None,
        typer.Option(
            parser=size, metavar="SIZE", help="Kill a task that takes more, such as 512M or 2G."
        ),
    ] = None,
    drain: Annotated[
        timedelta | None,
        span_option("--drain", help="How long a drain waits for tasks; by default 30 s."),
    ] = None,
) -> None:
    """Run the tasks that `exec` creates, as processes, until SIGTERM or Ctrl-C.

    The first signal drains: running tasks may end. The second ends them at once.
    """
    if not allow_exec:
        output.complain(
            "a runner executes any command line that a task of its queues carries;"
            " if that is what you want, say --allow-exec"
        )
        raise typer.Exit(exits.USAGE)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, force=True)
    client: Client = ctx.obj()
    served = Runner(client, capacity=capacity, name=name or None, drain_grace=drain or _DRAIN)
    names = dict.fromkeys(queues or ["default"])  # each once
    served.handler(*names)(Executor(memory_limit=memory))
    _log.info("runs what is in %s of %s", ", ".join(names), client.endpoint.address)
    raise typer.Exit(asyncio.run(_run_until_signal(served)))


async def _run_until_signal(served: Runner) -> int:
    """Run until a signal, drain, and return the exit status.

    The tasks' processes are in sessions of their own, so no signal reaches them but through us:
    whatever ends this process must first end them.
    """
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(served.run())
    told: list[int] = []

    def on_signal(number: int) -> None:
        told.append(number)
        if len(told) == 1:
            _log.info("drains; once more ends it at once")
            served.stop()
        else:
            running.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    await asyncio.wait({running})
    if running.cancelled():
        return 128 + told[-1]
    running.result()
    return 0

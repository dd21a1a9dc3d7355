"""`create` and `exec`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from idstatus.cli import exits, options, output, parsing
from idstatus.cli.data import Format, say_data
from idstatus.cli.execution.command_line import CONTENT_TYPE, CommandLine
from idstatus.cli.waiting import wait_for
from idstatus.cli.words import about, story
from idstatus.clients import Client
from idstatus.models.enums import Status
from idstatus.models.task import RetryPolicy, Task

# All that follows the command's name is the command's.
EXEC_SETTINGS = {"allow_interspersed_args": False}


def create(
    ctx: typer.Context,
    *,
    queue: options.Queue = "default",
    payload: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The work itself, for its runner.")
    ] = None,
    payload_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Or in a file; - is stdin.")
    ] = None,
    content_type: Annotated[
        str, typer.Option(metavar="TYPE", help="The payload's media type.")
    ] = "",
    delay: options.Delay = None,
    timeout: options.Timeout = None,
    priority: options.Priority = 0,
    labels: options.Labels = None,
    retries: options.Retries = 0,
    retry_delay: options.RetryDelay = None,
    unique_key: options.UniqueKey = "",
    task_id: options.NewId = "",
    how: options.Output = Format.TABLE,
) -> None:
    """Create a task and print its id."""
    client: Client = ctx.obj()
    task = client.create(
        parsing.payload(payload, payload_file),
        queue=queue,
        content_type=content_type,
        delay=delay,
        timeout=timeout,
        priority=priority,
        labels=parsing.pairs(labels),
        retry_policy=RetryPolicy(max_retries=retries, retry_delay=retry_delay),
        unique_key=unique_key,
        task_id=task_id,
    )
    show_created(task, how=how)


def exec_(
    ctx: typer.Context,
    *,
    argv: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="What to execute; no shell comes in between."),
    ],
    queue: options.Queue = "default",
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME=VALUE", help="On top of the runner's own."),
    ] = None,
    cwd: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where; by default where the runner is.")
    ] = "",
    delay: options.Delay = None,
    timeout: options.Timeout = None,
    priority: options.Priority = 0,
    labels: options.Labels = None,
    retries: options.Retries = 0,
    retry_delay: options.RetryDelay = None,
    unique_key: options.UniqueKey = "",
    task_id: options.NewId = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the end; print the output; the exit status tells."),
    ] = False,
    follow_retries: options.FollowRetries = False,
    how: options.Output = Format.TABLE,
) -> None:
    """Create a task that executes a command, on a runner with --allow-exec."""
    client: Client = ctx.obj()
    command = CommandLine(argv=tuple(argv), env=parsing.pairs(env), cwd=cwd)
    task = client.create(
        command.encode(),
        queue=queue,
        content_type=CONTENT_TYPE,
        delay=delay,
        timeout=timeout,
        priority=priority,
        labels=parsing.pairs(labels),
        retry_policy=RetryPolicy(max_retries=retries, retry_delay=retry_delay),
        unique_key=unique_key,
        task_id=task_id,
    )
    if not wait:
        show_created(task, how=how)
        return
    if output.ON_TERMINAL:
        output.note(f"task {task.id}")
    task = wait_for(client, task.id, follow_retries=follow_retries)
    _show_ended(task, how=how)
    raise typer.Exit(exits.of_task(task))


def show_created(task: Task, *, how: Format) -> None:
    """Print a new task: to people with a word about it, on a pipe only its id."""
    if how is not Format.TABLE:
        say_data(task, how)
    elif output.ON_TERMINAL:
        output.say(f"{task.id}  {task.status}  {about(task)}")
    else:
        output.say(task.id)


def _show_ended(task: Task, *, how: Format) -> None:
    """Print what the command printed, and on stderr how it failed if it did."""
    if how is not Format.TABLE:
        say_data(task, how)
        return
    sys.stdout.buffer.write(task.result)
    sys.stdout.flush()
    if task.status is not Status.SUCCESS:
        output.complain(f"task {task.id}: {task.status}/{task.reason}, {story(task)}")

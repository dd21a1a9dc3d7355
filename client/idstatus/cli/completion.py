"""What the shell offers when Tab is pressed: the server's own queues and newest tasks."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta

import typer

from idstatus.cli.connection import Connection
from idstatus.cli.contexts import ContextError, Contexts, chosen
from idstatus.clients import Client
from idstatus.errors import IdstatusError

# Whoever presses Tab waits for no longer, and chooses among no more than these.
_PATIENCE = timedelta(seconds=1)
_TASKS = 50

Offers = Iterator[tuple[str, str]]


def queues(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the names of queues."""
    return _offer(ctx, incomplete, _queues)


def task_ids(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer the ids of the newest tasks."""
    return _offer(ctx, incomplete, _task_ids)


def contexts(incomplete: str) -> list[str]:
    """Offer the names of contexts."""
    try:
        return [name for name in Contexts.load().by_name if name.startswith(incomplete)]
    except ContextError:
        return []


def _queues(client: Client) -> Offers:
    for queue in client.queues():
        yield queue.name, f"{queue.counts.queued} queued"


def _task_ids(client: Client) -> Offers:
    for task in itertools.islice(client.list(page_size=_TASKS), _TASKS):
        yield task.id, f"{task.status} in {task.queue}"


def _offer(
    ctx: typer.Context, incomplete: str, ask: Callable[[Client], Offers]
) -> list[tuple[str, str]]:
    """Return what begins so; nothing if no server answers, for an error would spoil the line."""
    root = ctx.find_root()
    try:
        said = Connection.of(root, root.params)
        with chosen(root.params.get("context"), said).client(_PATIENCE) as client:
            return [offer for offer in ask(client) if offer[0].startswith(incomplete)]
    except (IdstatusError, ContextError, ValueError):
        return []

"""Options that several commands take."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from idstatus.cli import completion, parsing
from idstatus.cli.data import Format
from idstatus.models.enums import Status, TaskView
from idstatus.models.filter import TaskFilter


def span_option(*names: str, **settings: Any) -> Any:
    """Return an option that takes a span of time."""
    return typer.Option(*names, parser=parsing.span, metavar="SPAN", **settings)


Output = Annotated[
    Format,
    typer.Option("--output", "-o", help="For people, or for scripts: JSON lines or YAML."),
]


def _ids(text: str) -> Any:
    return typer.Argument(metavar="ID", help=text, autocompletion=completion.task_ids)


def _queue(text: str) -> Any:
    return typer.Option(
        "--queue", "-q", metavar="NAME", help=text, autocompletion=completion.queues
    )


Id = Annotated[str, _ids("The task's id.")]
Ids = Annotated[list[str], _ids("The tasks' ids.")]
SomeIds = Annotated[list[str] | None, _ids("The tasks' ids; or name a filter.")]
FollowRetries = Annotated[
    bool, typer.Option("--follow-retries", help="Go on with each task's retry, and so on.")
]
View = Annotated[
    TaskView, typer.Option("--view", metavar="VIEW", help="How much to show: status, basic, full.")
]

# -- what to create

Queue = Annotated[str, _queue("The queue to put it into.")]
Delay = Annotated[timedelta | None, span_option("--delay", help="Run it this much later.")]
Timeout = Annotated[
    timedelta | None, span_option("--timeout", help="Longest run allowed; by default 60 s.")
]
Priority = Annotated[
    int, typer.Option("--priority", min=0, max=9, metavar="0-9", help="A higher one runs first.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="KEY=VALUE", help="To find it by; any number of them."),
]
Retries = Annotated[
    int, typer.Option("--retries", min=0, max=25, metavar="N", help="Retry an error so often.")
]
RetryDelay = Annotated[
    timedelta | None,
    span_option("--retry-delay", help="How long after an error to retry; by default 60 s."),
]
UniqueKey = Annotated[
    str,
    typer.Option("--unique-key", metavar="KEY", help="Refuse while an unfinished task holds it."),
]
NewId = Annotated[
    str, typer.Option("--id", metavar="ID", help="The task's id; else the server makes one.")
]

# -- which tasks are meant

Queues = Annotated[list[str] | None, _queue("Of this queue; or of several.")]
Statuses = Annotated[
    list[Status] | None,
    typer.Option("--status", "-s", metavar="STATUS", help="In this status; or one of several."),
]
WithLabels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="KEY=VALUE", help="With this label; or all of several."),
]
Root = Annotated[
    str, typer.Option("--root", metavar="ID", help="Of the chain of retries that began with this.")
]
NewerThan = Annotated[
    timedelta | None, span_option("--newer-than", help="Created no longer ago than this.")
]
OlderThan = Annotated[
    timedelta | None, span_option("--older-than", help="Created longer ago than this.")
]
LateReport = Annotated[
    bool | None,
    typer.Option(
        "--late-report/--no-late-report", help="With a report that came too late, or not."
    ),
]


def task_filter(
    *,
    queues: Sequence[str] | None,
    statuses: Sequence[Status] | None,
    labels: Sequence[str] | None,
    root: str,
    newer_than: timedelta | None,
    older_than: timedelta | None,
    late_report: bool | None,
) -> TaskFilter | None:
    """Return the filter that the options name, None if they name none."""
    now = datetime.now(UTC)
    wanted = TaskFilter(
        queues=queues or (),
        statuses=statuses or (),
        labels=parsing.pairs(labels),
        root_id=root,
        created_from=None if newer_than is None else now - newer_than,
        created_until=None if older_than is None else now - older_than,
        has_late_report=late_report,
    )
    return None if wanted == TaskFilter() else wanted

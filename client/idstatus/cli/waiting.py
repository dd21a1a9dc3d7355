"""Waiting for a task, and for its retries."""

import time
from datetime import timedelta

from idstatus.cli.progress import shown
from idstatus.clients import Client
from idstatus.errors import WaitTimeoutError
from idstatus.models.task import Task


def wait_for(
    client: Client,
    task_id: str,
    *,
    limit: timedelta | None = None,
    follow_retries: bool = False,
) -> Task:
    """Return a task once it has ended, or as it is when the limit is over."""
    end = None if limit is None else time.monotonic() + limit.total_seconds()
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        try:
            with shown(client, task_id):
                task = client.wait(task_id, timeout=left)
        except WaitTimeoutError as error:
            return error.task
        if not (follow_retries and task.retried_by):
            return task
        task_id = task.retried_by

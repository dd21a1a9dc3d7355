"""Runners of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from idstatus import AsyncClient, Handler, Runner


def runner_of(target: str | AsyncClient, handler: Handler, *queues: str, **options: Any) -> Runner:
    """Return a runner that has one handler do the tasks of these queues, or of "default"."""
    runner = Runner(target, **options)
    runner.handler(*queues)(handler)
    return runner


@asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[asyncio.Task[None]]:
    """Run a runner beside the test, and drain it at the end."""
    run = asyncio.create_task(runner.run())
    try:
        yield run
    finally:
        runner.stop()
        await asyncio.wait_for(run, 20)

import asyncio
import time

import pytest

import idstatus
from idstatus import AsyncClient, Status


async def test_a_wait_ends_once_the_task_is_terminal(client: AsyncClient, queue: str) -> None:
    task = await client.create(queue=queue)
    waiting = asyncio.create_task(client.wait(task.id))
    (claim,) = await client.claim([queue])
    await client.finish([claim.report(idstatus.Success(result=b"done"))])
    finished = await waiting
    assert (finished.status, finished.result) == (Status.SUCCESS, b"done")


async def test_a_wait_that_is_over_first_raises_and_shows_the_task(client: AsyncClient) -> None:
    task = await client.create()
    began = time.monotonic()
    with pytest.raises(idstatus.WaitTimeoutError) as caught:
        await client.wait(task.id, timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert caught.value.task.status is Status.QUEUED

"""Handlers by queue."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from running import running

from idstatus import AsyncClient, NewTask, Runner, Status, TaskContext


@dataclass
class Mail:
    to: str
    text: str


async def test_each_queue_has_its_own_handler(client: AsyncClient, queue: str) -> None:
    runner = Runner(client, capacity=4)

    @runner.handler(f"{queue}-a", f"{queue}-b")
    async def on_the_loop(context: TaskContext) -> str:
        return f"loop: {context.task.queue}"

    @runner.handler(f"{queue}-c")
    def in_a_thread(context: TaskContext) -> str:
        return f"thread: {context.task.queue}"

    new_tasks = [NewTask(queue=f"{queue}-{name}") for name in "abc"]
    async with running(runner):
        tasks = await client.create_batch(new_tasks)
        done = [(await client.wait(task.id, timeout=20)).result.decode() for task in tasks]
    assert done == [f"loop: {queue}-a", f"loop: {queue}-b", f"thread: {queue}-c"]
    assert on_the_loop.__name__ == "on_the_loop"


async def test_a_handler_without_a_queue_does_the_default_one(own_client: AsyncClient) -> None:
    runner = Runner(own_client)

    @runner.handler()
    def answer(_context: TaskContext) -> int:
        return 42

    task = await own_client.create()
    async with running(runner):
        assert (await own_client.wait(task.id, timeout=20)).result_json() == 42


async def test_queues_are_claimed_from_in_the_order_of_their_handlers(
    client: AsyncClient, queue: str
) -> None:
    done: list[str] = []
    runner = Runner(client)

    @runner.handler(f"{queue}-urgent", queue)
    async def note(context: TaskContext) -> None:
        done.append(context.task.queue.removeprefix(queue))

    queues = [queue, f"{queue}-urgent"] * 3
    tasks = await client.create_batch([NewTask(queue=name) for name in queues])
    async with running(runner):
        for task in tasks:
            await client.wait(task.id, timeout=20)
    assert done == ["-urgent"] * 3 + [""] * 3


async def test_dataclasses_travel_as_json(client: AsyncClient, queue: str) -> None:
    runner = Runner(client)

    @runner.handler(queue)
    async def send(context: TaskContext) -> dict[str, Any]:
        mail = Mail(**context.task.payload_json())
        return {"to": mail.to, "characters": len(mail.text)}

    task = await client.create(Mail("ann", "héllo"), queue=queue)
    named = await client.create([1], queue=queue, content_type="application/vnd.list+json")
    async with running(runner):
        done = await client.wait(task.id, timeout=20)
        failed = await client.wait(named.id, timeout=20)
    assert (done.payload, done.content_type) == (
        '{"to":"ann","text":"héllo"}'.encode(),
        "application/json",
    )
    assert done.result_json() == {"to": "ann", "characters": 5}
    assert (failed.status, failed.content_type) == (Status.ERROR, "application/vnd.list+json")
    with pytest.raises(ValueError, match="Expecting value"):
        (await client.get(failed.id)).result_json()


def test_a_queue_has_one_handler() -> None:
    runner = Runner("127.0.0.1:1")
    runner.handler("mail")(lambda _: None)
    with pytest.raises(ValueError, match="queue 'mail' has a handler already"):
        runner.handler("post", "mail")(lambda _: None)


def test_a_decorator_that_names_no_queues_but_takes_the_function_is_refused() -> None:
    decorate: Any = Runner("127.0.0.1:1").handler
    with pytest.raises(TypeError, match="name the queues"):
        decorate(lambda _: None)


async def test_a_runner_runs_once_with_the_handlers_that_it_then_has() -> None:
    runner = Runner("127.0.0.1:1")
    with pytest.raises(RuntimeError, match="has no handler"):
        await runner.run()
    runner.handler("mail")(lambda _: None)
    async with running(runner):
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="takes no more handlers"):
            runner.handler("post")
    with pytest.raises(RuntimeError, match="runs once"):
        await runner.run()

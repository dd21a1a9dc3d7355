"""A task's creation, claim and end are linked, though hours and restarts lie between."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from rpc.wire import Api, seconds, until
from telemetry.receiver import RUNNERS, SERVICE, Receiver, context_of, wait_for

from harness import ServerProcess
from idstatus import AsyncClient, Runner, TaskContext
from idstatus.testing import LocalServer, local_server
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus_server.engine.commands import Claim
from idstatus_server.engine.commands.claim import Claimed
from idstatus_server.rpc import run
from idstatus_server.rpc.claiming import Claiming


async def test_across_a_restart_and_into_the_retry(tmp_path: Path, receiver: Receiver) -> None:
    server = ServerProcess(tmp_path, "--otlp-endpoint", receiver.url).start()
    async with Api.at(server.address) as api:
        await api.create("q", task_id="long")
    assert server.stop() == 0
    server.start()
    async with Api.at(server.address) as api:
        (claim,) = await api.claim("q")
        await api.succeed(claim)
        again = await api.retry("long")
        (second,) = await api.claim("q")
        await api.cancel(again.id)
    assert server.stop() == 0  # and with it all spans are here
    create = receiver.one(f"{SERVICE}/CreateTask", task_id="long")
    claimed, second_claim = receiver.named(f"{RUNNERS}/ClaimTasks")[-2:]
    retry = receiver.one(f"{SERVICE}/RetryTask", task_id="long")
    assert context_of(claim.traceparent) == create.context
    assert claimed.links == {create.context}
    assert claimed.instance != create.instance  # another process
    finish = receiver.one(f"{RUNNERS}/FinishTasks", task_ids=["long"])
    assert finish.links == retry.links == {create.context, claimed.context}
    assert context_of(second.traceparent) == retry.context
    assert second_claim.links == {retry.context}
    cancel = receiver.one(f"{SERVICE}/CancelTask", task_id=again.id)
    assert cancel.links == {retry.context, second_claim.context}


async def test_what_the_server_does_by_itself_is_linked_too(
    api: Api, receiver: Receiver, queue: str
) -> None:
    policy = m.RetryPolicy(max_retries=1, retry_delay=seconds(0.001))
    claim = await api.run_one(queue, lease=1, task_id="expires", retry_policy=policy)
    failed = await api.wait("expires")
    expiry = receiver.one("timer.expire", task_ids=["expires", failed.retried_by])
    assert expiry.parent == ""
    assert context_of(claim.traceparent) in expiry.links
    (retry,) = await api.claim(queue, wait=10)
    assert context_of(retry.traceparent) == expiry.context


async def test_a_runner_that_looks_in_vain_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[Claim] = []
    claim_now = Claiming.claim_now

    def counted(self: Claiming, command: Claim) -> Awaitable[Claimed]:
        looks.append(command)
        return claim_now(self, command)

    monkeypatch.setattr(Claiming, "claim_now", counted)
    monkeypatch.setattr(run, "_WAIT", 0.01)

    async def looked() -> bool:
        return len(looks) > 5

    with Receiver() as receiver:
        flags = (*local_server._FLAGS, "--otlp-endpoint", receiver.url)
        monkeypatch.setattr(local_server, "_FLAGS", flags)
        async with LocalServer() as server, Api.at(server.address) as api:
            stream = api.runners.Run()
            wanted = r.Subscription(queues=["q"], capacity=1)
            await stream.write(r.RunRequest(subscription=wanted))
            await until(looked)
            await api.create("q", task_id="found")
            while not (await stream.read()).HasField("claims"):
                pass
            stream.cancel()
    receiver.one(f"{SERVICE}/CreateTask", task_id="found")
    claims = receiver.named(f"{RUNNERS}/Run claim")
    assert len(claims) <= 2 < len(looks)  # the first look, and that for which the runner was woken
    assert len(receiver.named("ledger.commit")) == len(claims) + 1


async def test_a_runner_works_in_the_trace_and_each_message_is_a_trace_of_its_own(
    traced: ServerProcess, receiver: Receiver, queue: str
) -> None:
    runner = Runner(traced.address)

    @runner.handler(queue)
    async def tell(context: TaskContext) -> str:
        return context.traceparent

    async with AsyncClient(traced.address) as client, asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        task = await client.create(queue=queue)
        done = await client.wait(task.id)
        opening = wait_for(lambda: receiver.named(f"{RUNNERS}/Run"))[-1]
        runner.stop()
    create = receiver.one(f"{SERVICE}/CreateTask", task_ids=[task.id])
    assert context_of(done.result.decode()) == create.context
    assert "rpc.response.status_code" not in opening.facts  # the stream was still open
    claim = receiver.one(f"{RUNNERS}/Run claim", task_ids=[task.id])
    finish = receiver.one(f"{RUNNERS}/Run finish", task_ids=[task.id])
    assert claim.links == {opening.context, create.context}
    assert finish.links == {opening.context, create.context, claim.context}
    assert len({opening.trace, create.trace, claim.trace, finish.trace}) == 4

import asyncio
import socket

import pytest

import idstatus
from harness import ServerProcess
from idstatus import AsyncClient, NewTask, Status


async def test_a_wait_bears_a_restart_of_the_server(
    own_client: AsyncClient, server: ServerProcess
) -> None:
    task = await own_client.create()
    waiting = asyncio.create_task(own_client.wait(task.id))
    await own_client.status(task.id)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await own_client.cancel(task.id)
    assert (await waiting).status is Status.CANCELLED


async def test_a_write_of_any_size_bears_a_restart_of_the_server_and_is_done_once(
    own_client: AsyncClient, server: ServerProcess
) -> None:
    await own_client.create()  # so that there is a connection to lose
    large = [NewTask(payload=bytes(256 * 1024), unique_key=str(number)) for number in range(40)]
    creating = asyncio.gather(own_client.create(), own_client.create_batch(large))
    await asyncio.sleep(0)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await creating
    assert len([task async for task in own_client.list()]) == 42


async def test_a_call_without_an_answer_in_time_exceeds_its_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        async with AsyncClient(f"{host}:{port}") as client:
            with pytest.raises(idstatus.DeadlineExceededError):
                await client.get("a", rpc_timeout=0.2)


async def test_no_server_is_unavailable() -> None:
    async with AsyncClient("127.0.0.1:1") as client:
        with pytest.raises(idstatus.UnavailableError):
            await client.get("a")


async def test_a_closed_client_says_so(client: AsyncClient) -> None:
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("a")

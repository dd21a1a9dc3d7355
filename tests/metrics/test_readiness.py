"""/readyz says what gRPC health says. That it follows an outage, test_prometheus.py sees.

What waits for the store meanwhile is in use.
"""

import asyncio
import signal

from metrics.seen import WatchedServer
from rpc.locked import locked
from rpc.wire import Api
from waiting import until


async def test_who_waits_for_the_store_is_counted(watched: WatchedServer, queue: str) -> None:
    async with Api.at(watched.address) as api:
        with locked(watched):
            writing = [asyncio.create_task(api.create(queue))]  # it is in a commit
            await api.settle()
            writing += [asyncio.create_task(api.create(queue)) for _ in range(2)]
            await api.settle()
            metrics = watched.metrics()
            assert metrics.value("idstatus_in_use", resource="calls") == 3
            assert metrics.value("idstatus_in_use", resource="writes") == 2
        await asyncio.gather(*writing)


async def test_a_server_that_drains_is_not_ready_and_lives(
    watched: WatchedServer, queue: str
) -> None:
    async with Api.at(watched.address) as api:
        with locked(watched):
            writing = asyncio.create_task(api.create(queue))
            await api.settle()
            watched.signal(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: watched.get("/readyz").status_code == 503)
            assert watched.get("/readyz").text == "the server is draining: connect anew\n"
            assert watched.get("/healthz").status_code == 200
            assert watched.metrics().value("idstatus_ready") == 0
        await writing
    assert await asyncio.to_thread(watched.wait) == 0

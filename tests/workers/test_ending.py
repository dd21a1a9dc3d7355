"""Signals to the parent reach every worker, and no worker outlives it."""

import asyncio
import os
import signal
import subprocess
from contextlib import AsyncExitStack

import grpc
import psutil
import pytest
from waiting import PATIENCE, until
from watch.sites import Site
from workers.crew import Crew, gone

from harness import SERVER
from idstatus.v1 import task_service_pb2 as pb


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all_workers_and_the_server_ends_well(
    crew: Crew, number: int
) -> None:
    workers = crew.workers
    async with AsyncExitStack() as stack:
        watches = []
        while not all(map(crew.serves, workers)):
            site = await stack.enter_async_context(Site(crew.server.address))
            watches.append(await site.begin(pb.WatchTasksRequest()))
        crew.server.signal(number)
        for reading in await asyncio.gather(*watches):
            assert (reading.code, reading.info.reason) == (
                grpc.StatusCode.UNAVAILABLE,
                "DRAINING",
            )
        assert await asyncio.to_thread(crew.server.wait) == 0
    assert not any(worker.is_running() for worker in workers)
    assert crew.log.count("draining") == 2


def test_an_interrupt_from_a_terminal_which_reaches_the_whole_group_counts_once(
    store: str,
) -> None:
    with subprocess.Popen(
        [*SERVER, "--listen", "127.0.0.1:0", "--workers", "2", "--store", store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout
            assert "listens on" in process.stdout.readline()
            workers = psutil.Process(process.pid).children()
            assert process.pid not in {os.getpgid(worker.pid) for worker in workers}
            os.killpg(process.pid, signal.SIGINT)
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0
    assert log.count("draining") == 2
    assert "Traceback" not in log


async def test_a_second_signal_ends_everything_at_once(crew: Crew) -> None:
    workers = crew.workers
    stuck = workers[0]
    stuck.suspend()  # so it does not drain
    crew.server.signal(signal.SIGTERM)
    await gone(workers[1:])
    assert crew.parent.is_running()
    crew.server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(crew.server.wait) == -signal.SIGTERM
    await gone([stuck])


async def test_workers_whose_parent_was_killed_drain(crew: Crew) -> None:
    workers = crew.workers
    crew.server.kill()
    await gone(workers)
    assert crew.log.count("draining") == 2


async def test_a_worker_whose_parent_is_killed_as_it_starts_ends_too(crew: Crew) -> None:
    known = set(crew.parent.children())
    crew.workers[0].kill()
    await asyncio.to_thread(until, lambda: bool(set(crew.parent.children()) - known))
    processes = crew.parent.children()
    crew.server.kill()
    await gone(processes)

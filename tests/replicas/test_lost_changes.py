"""A standby takes over that lacks the primary's last changes: nobody is told that they were."""

import asyncio
from collections.abc import Callable

import grpc
import pytest
from faults.storm import EVERYTHING
from postgres_pair import PostgresPair
from replicas.insisting import insist
from waiting import until
from watch.following import request_for
from watch.sites import Reading, Site, resumed
from watch.truth import origin

from harness import ServerProcess

PATIENCE = 30.0


@pytest.fixture
def store(pair: PostgresPair) -> str:
    return pair.start(synchronous=False).new_database()


async def test_a_place_in_lost_changes_is_refused_and_one_before_them_goes_on(
    pair: PostgresPair, replicas: list[ServerProcess], sites: list[Site]
) -> None:
    await sites[0].create(queue="kept")
    before = await origin(sites[0])
    await asyncio.to_thread(until, pair.is_even)
    await asyncio.to_thread(pair.cut_off)
    lost = [await site.create(queue="lost") for site in sites]
    fork = resumed(request_for(EVERYTHING), before)
    seen = [await site.read(fork, up_to(lost[-1].revision)) for site in sites]
    for reading in seen:
        assert ids(reading) == [task.id for task in lost]
    watches = [await site.begin(resumed(fork, seen[0].token)) for site in sites]

    await asyncio.to_thread(pair.fail_over)

    for site, watch in zip(sites, watches, strict=True):
        assert (await watch).code is grpc.StatusCode.UNAVAILABLE
        await assert_lost(site, seen)
    made = [await insist(site, queue="new") for site in sites * 2]
    assert made[-1].revision > lost[-1].revision
    for site in sites:
        await assert_lost(site, seen)
        now = await site.read(fork, up_to(made[-1].revision))
        assert ids(now) == [task.id for task in made]
    for server in replicas:
        assert "Traceback" not in server.log.read_text()


def up_to(revision: int) -> Callable[[Reading], bool]:
    return lambda reading: reading.revision >= revision


def ids(reading: Reading) -> list[str]:
    return [change.id_status.id for change in reading.changes]


async def assert_lost(site: Site, seen: list[Reading]) -> None:
    """No token of the lost changes leads anywhere, once the server has found the database."""
    for token in {reading.token for reading in seen}:
        async with asyncio.timeout(PATIENCE):
            code = grpc.StatusCode.UNAVAILABLE
            while code is grpc.StatusCode.UNAVAILABLE:
                again = await site.read(resumed(request_for(EVERYTHING), token))
                assert again.code
                code = again.code
                await asyncio.sleep(0.1)
        assert code is grpc.StatusCode.OUT_OF_RANGE
        assert again.info.reason == "REVISION_IN_FUTURE"

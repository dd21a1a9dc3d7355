"""The primary dies and its standby takes its place; the servers stay."""

import asyncio

import pytest
from postgres_pair import PostgresPair
from replicas.storm import Storm
from watch.sites import Site
from watch.truth import origin


@pytest.fixture
def store(pair: PostgresPair) -> str:
    return pair.start().new_database()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_was_acknowledged_outlives_the_primary(
    pair: PostgresPair, sites: list[Site], seed: int
) -> None:
    storm = Storm(sites, await origin(sites[0]), seed)
    await storm.acknowledged(50)
    await asyncio.to_thread(pair.fail_over)
    await storm.acknowledged(50)  # the servers have found the way by themselves
    await storm.settle()

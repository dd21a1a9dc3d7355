"""Every fault strikes once, in any order, amid the work: all promises are kept."""

import random
from pathlib import Path

import pytest
from faults.conductor import Conductor
from faults.scene import Scene
from postgres_server import PostgresServer


async def test_all_promises_outlive_every_fault(
    tmp_path: Path, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> None:
    postgres: PostgresServer | None = None
    if pytestconfig.getoption("--store") != "sqlite":
        postgres = request.getfixturevalue("postgres")
    seed = random.randrange(1000)
    async with Scene(tmp_path, postgres) as scene:
        await scene.begin(seed)
        conductor = Conductor(scene, seed)
        await conductor.strike_each()
        broken = await scene.verdict()
        assert not broken, f"seed {seed}, {broken[:5]}: see {scene.storm.written()}"

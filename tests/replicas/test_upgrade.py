"""Old and new servers side by side on one database: a rolling upgrade that nobody notices."""

import asyncio
import shutil
from pathlib import Path

import pytest
from faults.storm import Storm
from watch.sites import Site
from watch.truth import origin

import idstatus_server
from harness import SERVER, ServerProcess
from idstatus import AsyncClient

# What a later version may do to the schema: add to it.
ADDITION = """
CREATE INDEX log_by_time ON idstatus.log (time);
ALTER TABLE idstatus.tasks ADD COLUMN owner text;
CREATE TABLE idstatus.later (number bigint PRIMARY KEY);
"""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A later version of the server: this one, and one more step of the schema."""
    version = tmp_path / "newer"
    package = Path(idstatus_server.__file__).parent
    shutil.copytree(package, version / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (steps,) = version.glob("*/store/postgres/migrations")
    number = len(list(steps.glob("*.sql"))) + 1
    (steps / f"{number:04}_later.sql").write_text(ADDITION)
    return version


def upgrade(server: ServerProcess, newer: Path) -> None:
    """Stop a server, and start it again in the newer version."""
    assert server.stop() == 0
    server.program = ("env", f"PYTHONPATH={newer}", *SERVER)
    server.start()


async def test_servers_are_upgraded_one_by_one_under_load(
    replicas: list[ServerProcess],
    sites: list[Site],
    newer: Path,
) -> None:
    storm = Storm(sites, await origin(sites[0]), seed=1)
    await storm.acknowledged(30)
    for server in replicas:
        await asyncio.to_thread(upgrade, server, newer)
        await storm.acknowledged(30)  # old and new work side by side
    await storm.settle()


async def test_an_old_server_goes_on_after_the_upgrade_but_does_not_start_again(
    replicas: list[ServerProcess],
    clients: list[AsyncClient],
    newer: Path,
) -> None:
    upgrade(replicas[0], newer)
    old = clients[1]
    task = await old.create(queue="q")
    assert (await clients[0].status(task.id)).revision == task.revision
    assert replicas[2].stop() == 0
    with pytest.raises(AssertionError, match=r"newer than \d+, the newest that this server knows"):
        replicas[2].start()
    assert (await old.cancel(task.id)).id == task.id

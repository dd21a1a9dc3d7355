"""The word migrate, and servers that migrate beside it."""

import os
import subprocess
from pathlib import Path

import asyncpg
import pytest
from check.scene import execute, set_version
from check.tools import check
from postgres_server import PostgresServer

from harness import SERVER, ServerProcess, sqlite_in
from idstatus import Client, TaskExistsError

LIMIT = 60.0
UP_TO_DATE = "schema at version 2 (was 2)\n"


def begin(store: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SERVER, "migrate", "--store", store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def migrate(store: str) -> tuple[int, str, str]:
    """Return the exit status and what was said on both streams."""
    with begin(store) as process:
        said, complained = process.communicate(timeout=LIMIT)
    return process.returncode, said, complained


def test_it_says_in_one_line_what_it_did(url: str) -> None:
    assert migrate(url) == (0, "schema at version 2 (was 0)\n", "")
    assert migrate(url) == (0, UP_TO_DATE, "")


def test_a_server_starts_on_what_it_has_made(url: str, tmp_path: Path) -> None:
    migrate(url)
    server = ServerProcess(tmp_path, store=url).start()
    assert server.stop() == 0


async def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_used_ids(
    url: str, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path, store=url).start()
    with Client(server.address) as client:
        client.cancel(client.create(task_id="once").id)
        client.delete("once")
        assert server.stop() == 0
        await execute(url, "ALTER TABLE used_ids DROP COLUMN queue")
        await set_version(url, 1)
        assert migrate(url) == (0, "schema at version 2 (was 1)\n", "")
        server.start()
        with pytest.raises(TaskExistsError):
            client.create(task_id="once")
    assert server.stop() == 0
    assert check(url).status == 0


def refused(store: str) -> str:
    """Return the line that refuses a store; before it, a password that is shown is warned of."""
    status, said, complained = migrate(store)
    assert (status, said) == (1, "")
    *_, line = complained.splitlines()
    assert line.startswith("idstatus-server: ")
    return line


async def test_a_newer_schema_is_refused(postgres: PostgresServer) -> None:
    store = postgres.new_database()
    migrate(store)
    await set_version(store, 99)
    assert "version 99 is newer" in refused(store)


def test_a_database_out_of_reach_is_refused_without_its_password(tmp_path: Path) -> None:
    said = refused("postgresql://me:secret@127.0.0.1:1/db?sslpassword=secret")
    assert "127.0.0.1:1" in said
    assert "secret" not in said
    (tmp_path / "file").write_text("")
    assert str(tmp_path) in refused(f"sqlite:///{tmp_path}/file/x.db")


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, store=sqlite_in(tmp_path)).start()
    assert "in use by another idstatus-server" in refused(server.store)
    server.kill()


def test_ten_processes_may_migrate_at_once_beside_a_server_that_starts(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    store = postgres.new_database()
    others = [begin(store) for _ in range(10)]
    server = ServerProcess(tmp_path, store=store).start()
    ends = [other.communicate(timeout=LIMIT) for other in others]
    assert all(complained == "" for _, complained in ends)
    assert [said for said, _ in ends if said != UP_TO_DATE] in (
        [],
        ["schema at version 2 (was 0)\n"],
    )
    assert server.stop() == 0


async def test_a_role_that_may_not_change_the_schema_may_serve(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    store = postgres.new_database()
    migrate(store)
    db = await asyncpg.connect(store)
    role = f"r{os.getpid()}_{tmp_path.name}"
    for statement in (
        "CREATE ROLE %s LOGIN",
        "GRANT USAGE ON SCHEMA idstatus TO %s",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idstatus TO %s",
    ):
        await db.execute(statement % f'"{role}"')
    await db.close()
    server = ServerProcess(tmp_path, store=store.replace("postgres:", role, 1)).start()
    assert server.stop() == 0

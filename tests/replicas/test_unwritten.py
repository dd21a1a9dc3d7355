"""PostgreSQL is told to answer a commit before it has written it, and dies: that is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.trial import rules_broken_by_a_cut
from postgres_server import PostgresServer

from harness import ServerProcess


@pytest.fixture
def lazy(postgres_version: int) -> Iterator[PostgresServer]:
    """A PostgreSQL that takes its time to write, once it was made to write all."""
    server = PostgresServer(postgres_version)
    yield server.start(
        synchronous_commit="off", wal_writer_delay="10s", wal_writer_flush_after="1GB"
    )
    server.stop()


async def test_what_postgres_acknowledged_but_had_not_written_is_missed(
    lazy: PostgresServer, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path, store=lazy.new_database())

    def power_cut() -> None:
        lazy.kill()
        lazy.resume()

    assert "Durable" in await rules_broken_by_a_cut(server, power_cut, lambda: write_all(lazy))


def write_all(postgres: PostgresServer) -> None:
    postgres.sql("CHECKPOINT")

"""Stores to be looked over, in both databases."""

from pathlib import Path

import pytest
from postgres_server import PostgresServer

from harness import sqlite_in


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is yet to be made."""
    if request.param == "sqlite":
        return sqlite_in(tmp_path)
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database()

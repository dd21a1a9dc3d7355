from collections.abc import Iterator
from pathlib import Path

import pytest
from workers.crew import Crew

from harness import ServerProcess


@pytest.fixture
def store(database: str) -> str:
    """An empty database."""
    return database


@pytest.fixture
def crew(tmp_path: Path, store: str) -> Iterator[Crew]:
    """A server of two workers."""
    server = ServerProcess(tmp_path, "--workers", "2", store=store).start()
    yield Crew(server)
    server.kill()

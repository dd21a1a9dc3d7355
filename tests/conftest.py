"""Fixtures: real servers, one of one's own or one shared by a worker's tests."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from postgres_server import NEWEST, OLDEST, PostgresServer

import harness
from harness import ServerProcess
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        choices=("sqlite", "postgres", "postgres-15"),
        default="sqlite",
        help="What the servers of the tests store in; postgres is the newest version.",
    )
    parser.addoption(
        "--messages", type=int, default=1500, help="How many hostile requests are sent."
    )
    parser.addoption(
        "--seed", type=int, default=None, help="Repeats the hostile requests of a run that failed."
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, leave out what is about SQLite itself."""
    if config.getoption("--store") != "sqlite":
        items[:] = [item for item in items if not item.get_closest_marker("sqlite")]


@pytest.fixture(scope="session")
def postgres_version(pytestconfig: pytest.Config) -> int:
    """The version of PostgreSQL that the tests run on."""
    return OLDEST if pytestconfig.getoption("--store") == "postgres-15" else NEWEST


@pytest.fixture(scope="session")
def postgres(postgres_version: int) -> Iterator[PostgresServer]:
    """One PostgreSQL for a worker's tests; each has a database of its own."""
    server = PostgresServer(postgres_version).start()
    yield server
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def chosen_store(request: pytest.FixtureRequest) -> None:
    """Let all servers of the tests store where the option says."""
    if request.config.getoption("--store") != "sqlite":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        harness.new_store = lambda _: postgres.new_database()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is yet to be made, in one database after the other."""
    if request.param == "sqlite":
        return harness.sqlite_in(tmp_path)
    return str(request.getfixturevalue("database"))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a worker's tests share; each test has a queue of its own."""
    server = ServerProcess(tmp_path_factory.mktemp("shared")).start()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers of the test's own, with the flags it wants."""
    started: list[ServerProcess] = []

    def start(*flags: str) -> ServerProcess:
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        server = ServerProcess(folder, *flags)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def server(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    """A server of the test's own, to be killed and started again."""
    return start_server()


@pytest.fixture
def queue() -> str:
    """A queue that no other test uses."""
    return f"q-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def channel(shared_server: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A plain channel to the shared server."""
    async with grpc.aio.insecure_channel(shared_server.address) as channel:
        yield channel


@pytest.fixture
def tasks(channel: grpc.aio.Channel) -> TaskServiceStub:
    """The stub of TaskService on the shared server."""
    return TaskServiceStub(channel)


@pytest.fixture
def runners(channel: grpc.aio.Channel) -> RunnerServiceStub:
    """The stub of RunnerService on the shared server."""
    return RunnerServiceStub(channel)


@pytest.fixture
def queues(channel: grpc.aio.Channel) -> QueueServiceStub:
    """The stub of QueueService on the shared server."""
    return QueueServiceStub(channel)

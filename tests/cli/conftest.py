import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from cli.program import LIMIT, Idstatus

from harness import ServerProcess
from idstatus import Client, Outcome


@pytest.fixture
def idstatus(shared_server: ServerProcess) -> Idstatus:
    return Idstatus(shared_server.address)


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[Client]:
    with Client(shared_server.address) as client:
        yield client


@pytest.fixture
def start_runner(
    idstatus: Idstatus, queue: str
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts runners on the test's queue; at the end they must drain well."""
    with ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []

        def start(*flags: str) -> "subprocess.Popen[str]":
            command = ("runner", "--queue", queue, "--allow-exec", *flags)
            started.append(stack.enter_context(idstatus.started(*command)))
            return started[-1]

        yield start
        for process in started:
            process.terminate()
            assert process.wait(LIMIT) == 0


@pytest.fixture
def finish(client: Client, queue: str) -> Callable[[Outcome], None]:
    """Plays the runner: claims the next task of the test's queue, and reports how it ended."""

    def do(outcome: Outcome) -> None:
        (claim,) = client.claim([queue])
        client.finish([claim.report(outcome)])

    return do

"""Today's client and server get on with those of the previous version."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import idstatus
from harness import SERVER, ServerProcess
from idstatus import Client, Status, TaskFilter

HERE = Path(__file__).parent
TODAY = Path(idstatus.__file__).parents[1]


def unpack(repository: Path, commit: str, folder: Path) -> Path:
    """Put the packages into a folder as they were at a commit, and return it."""
    archive = subprocess.run(
        ["git", "archive", commit, "client", "server"],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.fail(
            f"the history here does not hold {commit}, which tests/compatibility/PREVIOUS names: "
            f"git fetch --unshallow ({archive.stderr.decode().strip()})"
        )
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous version's packages, from the history."""
    commit = (HERE / "PREVIOUS").read_text().split()[-1]
    return unpack(HERE.parents[1], commit, tmp_path_factory.mktemp("previous"))


@pytest.fixture
def old_server(previous: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the previous version."""
    program = ("env", f"PYTHONPATH={previous / 'server'}:{previous / 'client'}", *SERVER)
    server = ServerProcess(tmp_path, program=program).start()
    yield server
    server.kill()


def play(address: str, package: Path) -> None:
    """Play the scenario with the client package of a folder."""
    environ = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, HERE / "scenario.py", address],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == str(package / "idstatus")


def test_the_previous_client_works_with_todays_server(
    server: ServerProcess, previous: Path
) -> None:
    play(server.address, previous / "client")


def test_todays_client_works_with_the_previous_server(old_server: ServerProcess) -> None:
    play(old_server.address, TODAY)


def test_todays_server_goes_on_with_what_the_previous_one_stored_and_with_its_tokens(
    old_server: ServerProcess,
) -> None:
    with Client(old_server.address) as client:
        task = client.create(queue="q", payload=b"kept", request_id="once")
        batch = next(client.watch_batches(task_filter=TaskFilter(queues=["q"])))
        assert old_server.stop() == 0
        old_server.program = SERVER
        old_server.start()
        assert client.get(task.id).payload == b"kept"
        assert client.create(queue="q", payload=b"kept", request_id="once").id == task.id
        client.cancel(task.id)
        later = client.watch_batches(
            task_filter=TaskFilter(queues=["q"]), resume_token=batch.resume_token
        )
        statuses = [
            change.id_status.status for change in next(b for b in later if b.changes).changes
        ]
        assert statuses == [Status.CANCELLED]


def test_a_history_that_was_cut_short_is_said_to_be(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    with pytest.raises(pytest.fail.Exception, match="git fetch --unshallow"):
        unpack(tmp_path, "1234567", tmp_path)

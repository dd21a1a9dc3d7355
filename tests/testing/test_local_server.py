import socket
import subprocess
import sys

import pytest
from running import runner_of, running

import idstatus
from idstatus import AsyncClient, Client, Status, TaskContext
from idstatus.testing import LocalServer

pytest_plugins = ["pytester"]


def shout(context: TaskContext) -> str:
    return context.task.payload.decode().upper()


def test_a_blocking_client_finds_a_whole_server_without_tasks() -> None:
    with LocalServer() as server, Client(server.address) as client:
        assert list(client.list()) == []
        task = client.create("hello", timeout=30)
        assert client.status(task.id).status is Status.QUEUED
        client.cancel(task.id)
        with client.watch([task.id]) as changes:
            assert [change.id_status.status for change in changes] == [Status.CANCELLED]


async def test_a_client_and_a_runner_on_the_event_loop_of_the_test_find_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalServer() as server, AsyncClient(server.address) as client:
        tasks = [await client.create(f"task {number}") for number in range(20)]
        async with running(runner_of(server.address, shout, capacity=5)):
            done = [await client.wait(task.id, timeout=20) for task in tasks]
    assert [task.result for task in done] == [f"TASK {number}".encode() for number in range(20)]
    assert "BlockingIOError" not in caplog.text


def test_two_servers_know_nothing_of_each_other() -> None:
    with LocalServer() as one, LocalServer() as other:
        assert one.address != other.address
        with Client(one.address) as client:
            task = client.create()
        with Client(other.address) as client, pytest.raises(idstatus.TaskNotFoundError):
            client.get(task.id)


def test_after_the_block_nobody_listens_and_another_block_begins_anew() -> None:
    server = LocalServer()
    with server, Client(server.address) as client:
        client.create()
    host, _, port = server.address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    with server, Client(server.address) as client:
        assert list(client.list()) == []


def test_the_environment_of_a_server_in_production_does_not_reach_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IDSTATUS_MAX_PAYLOAD_BYTES", "1")
    with LocalServer() as server, Client(server.address) as client:
        assert client.create("hello").status is Status.QUEUED


def test_pytest_has_a_fixture_that_gives_each_test_a_server_of_its_own(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest('pytest_plugins = ["idstatus.testing.fixtures"]')
    pytester.makepyfile("""
        import pytest
        from idstatus import Client

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(idstatus_server, number):
            with Client(idstatus_server.address) as client:
                assert client.create(task_id="the-same").id == "the-same"
    """)
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=2)


def test_without_the_server_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['msgspec'] = None; import idstatus.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'idstatus[server]'" in done.stderr.splitlines()[-1]

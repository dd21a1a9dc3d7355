import json
from collections.abc import Callable

from cli.program import LIMIT, Idstatus, until_status

from harness import ServerProcess
from idstatus import Client, Failure, Outcome, RetryPolicy, Status, Success

Finish = Callable[[Outcome], None]


def test_a_watch_on_ids_tells_each_change_and_ends_when_all_have_ended(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(queue=queue)
    with idstatus.started("watch", task.id) as watch:
        assert watch.stdout
        assert "queued" in watch.stdout.readline()
        finish(Failure(message="broken"))
        rest = watch.stdout.read().splitlines()
        assert watch.wait(LIMIT) == 0
    running, ended = rest
    assert "running" in running
    assert task.id in ended
    assert "error/bad_exit" in ended
    assert "broken" in ended


def test_a_watch_in_json_can_be_resumed_from_any_token_in_another_process(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(queue=queue)
    with idstatus.started("watch", "--queue", queue, "-o", "json") as watch:
        assert watch.stdout
        snapshot = json.loads(watch.stdout.readline())
    assert (snapshot["type"], snapshot["id_status"]["id"]) == ("snapshot", task.id)
    assert snapshot["snapshot_complete"] is True
    finish(Success())
    changes = idstatus.json("watch", task.id, "-o", "json", "--resume", snapshot["resume_token"])
    told = [(line["previous_status"], line["id_status"]["status"]) for line in changes]
    assert told == [("queued", "running"), ("running", "success")]
    assert changes[-1]["task"]["queue"] == queue


def test_a_token_that_is_not_one_is_refused(idstatus: Idstatus, queue: str) -> None:
    line = idstatus.complains("watch", "--queue", queue, "--resume", "nonsense", status=2)
    assert "INVALID_TOKEN" in line


def test_a_watch_without_snapshot_tells_only_what_is_new(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    client.create(queue=queue)
    with idstatus.started("watch", "--queue", queue, "--no-snapshot", "-o", "json") as watch:
        assert watch.stdout
        begin = json.loads(watch.stdout.readline())
        new = client.create(queue=queue)
        change = json.loads(watch.stdout.readline())
    assert begin["type"] == "bookmark"
    assert (change["type"], change["id_status"]["id"]) == ("transition", new.id)


def test_a_watch_follows_retries_to_the_end_of_the_chain(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    policy = RetryPolicy(max_retries=1, retry_delay=0.1)
    task = client.create(queue=queue, retry_policy=policy)
    with idstatus.started("watch", task.id, "--follow-retries") as watch:
        finish(Failure())
        retry = client.get(task.id).retried_by
        until_status(client, retry, Status.QUEUED)
        finish(Success())
        assert watch.stdout
        told = watch.stdout.read()
        assert watch.wait(LIMIT) == 0
    assert f"retried by {retry}" in told
    assert f"retry 1 of {task.id}" in told
    assert "success" in told.splitlines()[-1]


def test_a_watch_outlives_the_server(server: ServerProcess) -> None:
    idstatus = Idstatus(server.address)
    with Client(server.address) as client:
        task = client.create()
        with idstatus.started("watch", task.id) as watch:
            assert watch.stdout
            assert watch.stderr
            assert "queued" in watch.stdout.readline()
            server.kill()
            assert "interrupted" in watch.stderr.readline()
            server.start()
            client.cancel(task.id)
            assert watch.stdout.read().count("cancelled") == 1
            assert watch.wait(LIMIT) == 0


def test_a_deleted_task_is_told_as_deleted(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    with idstatus.started("watch", "--queue", queue, "--status", "success") as watch:
        task = client.create(queue=queue)
        finish(Success())
        assert watch.stdout
        assert "success" in watch.stdout.readline()
        client.delete(task.id)
        assert "deleted" in watch.stdout.readline()

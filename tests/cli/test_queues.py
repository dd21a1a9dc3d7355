from datetime import timedelta

from cli.program import Idstatus

from idstatus import Client


def test_queues_shows_what_is_in_each(idstatus: Idstatus, client: Client, queue: str) -> None:
    client.create(queue=queue)
    client.create(queue=queue, delay=3600)
    head, *rows = idstatus.says("queues").splitlines()
    (row,) = (row for row in rows if row.startswith(queue))
    assert head.split()[:4] == ["QUEUE", "DELAYED", "QUEUED", "RUNNING"]
    assert row.split()[1:4] == ["1", "1", "0"]
    (told,) = (found for found in idstatus.json("queues", "-o", "json") if found["name"] == queue)
    assert told["counts"]["queued"] == 1


def test_a_queue_is_paused_and_resumed(idstatus: Idstatus, client: Client, queue: str) -> None:
    client.create(queue=queue)
    assert "paused" in idstatus.says("queues", "pause", queue)
    assert client.claim([queue]) == []
    (told,) = idstatus.json("queues", "resume", queue, "-o", "json")
    assert told["paused"] is False
    assert len(client.claim([queue])) == 1


def test_a_queue_is_limited_and_its_tasks_are_kept_as_long_as_one_says(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    client.create(queue=queue)
    assert "at most 2 running" in idstatus.says("queues", "limit", queue, "2")
    assert "kept for 3d" in idstatus.says("queues", "keep", queue, "3d")
    settings = client.queue(queue)
    assert (settings.max_running, settings.retention) == (2, timedelta(days=3))
    idstatus("queues", "limit", queue, "0")
    idstatus("queues", "keep", queue, "default")
    settings = client.queue(queue)
    assert (settings.max_running, settings.retention) == (0, None)


def test_an_unknown_queue_is_not_found(idstatus: Idstatus) -> None:
    assert "QUEUE_NOT_FOUND" in idstatus.complains("queues", "pause", "no-such-queue", status=3)
    idstatus("queues", "keep", "no-such-queue", "long", status=2)

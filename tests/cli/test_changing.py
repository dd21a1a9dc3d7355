from collections.abc import Callable

from cli.program import Idstatus

from idstatus import Client, Outcome, Status, Success

Finish = Callable[[Outcome], None]


def test_cancel_ends_several_tasks_and_keeps_the_message(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    ids = [client.create(queue=queue).id for _ in range(2)]
    said = idstatus.says("cancel", *ids, "--message", "not needed").splitlines()
    assert [line.split()[1] for line in said[:2]] == ["cancelled"] * 2
    assert said[2] == "cancelled 2"
    assert client.get(ids[1]).message == "not needed"


def test_a_task_that_cannot_be_cancelled_does_not_keep_the_others_from_it(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    done, unfinished = (client.create(queue=queue).id for _ in range(2))
    finish(Success())
    assert "TASK_FINISHED" in idstatus.complains("cancel", done, unfinished, status=1)
    assert client.status(unfinished).status is Status.CANCELLED
    assert "TASK_NOT_FOUND" in idstatus.complains("cancel", "unknown", status=3)


def test_cancel_by_filter_can_be_tried_first(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    for colour in ("red", "red", "blue"):
        client.create(queue=queue, labels={"colour": colour})
    wanted = ("--queue", queue, "--label", "colour=red")
    assert idstatus.says("cancel", *wanted, "--dry-run") == "would cancel 2"
    assert client.queue(queue).counts.cancelled == 0
    (told,) = idstatus.json("cancel", *wanted, "-o", "json")
    assert told["count"] == len(told["id_statuses"]) == 2
    assert client.queue(queue).counts.cancelled == 2


def test_cancel_asks_for_ids_or_a_filter_and_not_both(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    task = client.create(queue=queue)
    idstatus("cancel", status=2)
    idstatus("cancel", task.id, "--queue", queue, status=2)
    assert client.status(task.id).status is Status.QUEUED


def test_retry_prints_the_id_of_the_new_task(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create("again", queue=queue)
    finish(Success())
    retry = client.get(idstatus.says("retry", task.id, "--delay", "1h"))
    assert (retry.retry_of, retry.payload, retry.status) == (task.id, b"again", Status.DELAYED)
    line = idstatus.complains("retry", task.id, status=1)
    assert "TASK_ALREADY_RETRIED" in line
    assert retry.id in line


def test_delete_forgets_ended_tasks_only(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    done, unfinished = (client.create(queue=queue).id for _ in range(2))
    finish(Success())
    said = idstatus("delete", unfinished, done, status=1)
    assert b"TASK_NOT_FINISHED" in said.stderr
    assert said.stdout.decode() == f"deleted {done}\n"
    assert [task.id for task in client.list()].count(done) == 0
    assert "TASK_NOT_FOUND" in idstatus.complains("delete", done, "-o", "json", status=3)

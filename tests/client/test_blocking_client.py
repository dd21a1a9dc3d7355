import threading

import pytest

import idstatus
from idstatus import Change, ChangeType, Client, NewTask, Status, TaskFilter


def test_the_blocking_client_does_what_the_async_one_does(
    blocking_client: Client, queue: str
) -> None:
    client = blocking_client
    task = client.create("a", queue=queue)
    (claim,) = client.claim([queue])
    (answer,) = client.finish([claim.report(idstatus.Success(result=b"b"))])
    assert isinstance(answer, idstatus.IdStatus)
    assert client.wait(task.id, timeout=5).result == b"b"
    assert client.status(task.id) == answer
    assert [listed.id for listed in client.list(TaskFilter(queues=[queue]))] == [task.id]
    with pytest.raises(idstatus.TaskFinishedError):
        client.cancel(task.id)


def test_a_blocking_list_fetches_its_pages_as_they_are_needed(
    blocking_client: Client, queue: str
) -> None:
    created = blocking_client.create_batch([NewTask(queue=queue) for _ in range(5)])
    with blocking_client.list(TaskFilter(queues=[queue]), page_size=2) as tasks:
        assert next(tasks).id == created[-1].id
        assert len(list(tasks)) == 4


def test_a_blocking_watch_tells_every_change_and_ends_with_its_tasks(
    blocking_client: Client,
) -> None:
    task = blocking_client.create()
    with blocking_client.watch([task.id]) as changes:
        first = next(changes)
        blocking_client.cancel(task.id)
        rest = list(changes)
    assert (first.type, first.id_status.status) == (ChangeType.SNAPSHOT, Status.QUEUED)
    assert [(change.previous_status, change.id_status.status) for change in rest] == [
        (Status.QUEUED, Status.CANCELLED)
    ]


def test_a_blocking_watch_can_be_closed_from_another_thread(
    blocking_client: Client, queue: str
) -> None:
    blocking_client.create(queue=queue)
    changes = blocking_client.watch(task_filter=TaskFilter(queues=[queue]))
    seen: list[Change] = []
    started = threading.Event()

    def consume() -> None:
        for change in changes:
            seen.append(change)
            started.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert started.wait(10)
    changes.close()
    consumer.join(10)
    assert not consumer.is_alive()
    assert len(seen) == 1

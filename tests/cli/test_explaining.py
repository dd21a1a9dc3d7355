import re
from collections.abc import Callable

from cli.program import Idstatus

from idstatus import Client, Failure, Lease, Outcome, Progress, Reason, Success
from idstatus.cli.explanation import explain

Finish = Callable[[Outcome], None]


def said(client: Client, task_id: str) -> str:
    return "\n".join(line.plain for line in explain(client.explain(task_id)))


def test_a_task_that_waits_tells_what_it_waits_for(client: Client, queue: str) -> None:
    client.create(queue=queue)
    task = client.create(queue=queue)
    later = client.create(queue=queue, delay=7200)
    client.update_queue(queue, paused=True)
    shown = said(client, task.id)
    assert f"its queue is paused; idstatus queues resume {queue}\n" in shown
    assert "1 task comes before it; 0 run\n" in shown
    assert "run again   safe: it was never handed to a runner\n" in shown
    assert shown.endswith(f"idstatus wait {task.id}\n            idstatus cancel {task.id}")
    assert re.search(r"why         it is due .*, in 1h\n", said(client, later.id))


def test_a_task_whose_turn_has_come_waits_for_a_runner_or_for_room(
    client: Client, queue: str
) -> None:
    client.create(queue=queue)
    client.claim([queue])
    task = client.create(queue=queue)
    assert "it is next, and has waited" in said(client, task.id)
    client.update_queue(queue, max_running=1)
    assert "its queue is full: 1 run, at most 1 may" in said(client, task.id)


def test_a_running_task_tells_who_holds_it_and_how_far_it_is(client: Client, queue: str) -> None:
    task = client.create(queue=queue)
    (claim,) = client.claim([queue], runner="box-7")
    progress = Progress(fraction=0.25, message="reading")
    client.extend([Lease(id=task.id, lease_token=claim.lease_token, progress=progress)])
    shown = said(client, task.id)
    assert "held        by box-7\n" in shown
    assert re.search(r"until .*, when its lease ends unless extended\n", shown)
    assert re.search(r"at most until .*, its timeout\n", shown)
    assert "progress    25% reading\n" in shown
    assert "run again   not safe: its runner may still be at work\n" in shown


def test_an_ended_task_tells_its_end_and_its_retries(
    client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(queue=queue)
    finish(Failure(reason=Reason.KILLED, message="no more memory", signal=9))
    retry = client.retry(task.id)
    finish(Success())
    shown = said(client, task.id)
    assert re.search(r"why         it was ended by force, after .* on .*: no more memory\n", shown)
    assert "run again   safe: its runner said that it has ended\n" in shown
    first, second = re.findall(r"error/killed +(.*)\n.* success +(.*)\n", shown)[0]
    assert (first, second) == (f"{task.id}, this one", retry.id)
    assert "idstatus retry" not in shown
    assert "its work ended well after" in said(client, retry.id)


def test_a_cancelled_task_tells_what_its_runner_said_too_late(client: Client, queue: str) -> None:
    task = client.create(queue=queue)
    (claim,) = client.claim([queue])
    client.cancel(task.id, message="not today")
    shown = said(client, task.id)
    assert "a client cancelled it" in shown
    assert "not today" in shown
    assert "run again   not safe" in shown
    client.finish([claim.report(Success())])
    shown = said(client, task.id)
    assert "late report success\n" in shown
    assert "run again   safe" in shown


def test_an_explanation_is_printed_for_people_and_for_scripts(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    client.create(queue=queue)
    task = client.create(queue=queue)
    assert idstatus.says("explain", task.id) == said(client, task.id)
    (told,) = idstatus.json("explain", task.id, "-o", "json")
    assert (told["obstacles"], told["tasks_ahead"]) == (["tasks_ahead"], 1)
    assert told["next_steps"] == ["wait", "cancel"]
    assert [link["id"] for link in told["chain"]] == [task.id]

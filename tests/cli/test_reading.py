import time
from collections.abc import Callable

import pytest
from cli.program import Idstatus

from idstatus import Client, Failure, Outcome, Reason, Stopped, Success

Finish = Callable[[Outcome], None]


def test_get_shows_all_that_is_known_of_a_task(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create("work", queue=queue, labels={"team": "blue"})
    finish(Failure(reason=Reason.KILLED, message="no more memory", signal=9))
    shown = idstatus.says("get", task.id)
    for word in (task.id, "error/killed", "ended", queue, "work", "team=blue", "no more memory"):
        assert word in shown
    assert "SIGKILL" in shown
    assert shown.count("history") == 3


def test_get_prints_the_task_as_json(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(b"\xff", queue=queue)
    finish(Success(result=b"done"))
    (told,) = idstatus.json("get", task.id, "-o", "json")
    assert (told["id"], told["status"], told["execution"]) == (task.id, "success", "ended")
    assert (told["payload_base64"], told["result"]) == ("/w==", "done")
    assert "reason" not in told
    assert [step["to_status"] for step in told["transitions"]] == ["queued", "running", "success"]
    assert told["create_time"].endswith("Z")


def test_get_prints_a_payload_or_a_result_byte_by_byte(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(b"\0\xff\n", queue=queue)
    finish(Success(result=b"\xfe\0"))
    assert idstatus("get", task.id, "--payload").stdout == b"\0\xff\n"
    assert idstatus("get", task.id, "--result").stdout == b"\xfe\0"


def test_get_shows_less_on_request(idstatus: Idstatus, client: Client, queue: str) -> None:
    task = client.create("secret", queue=queue)
    (told,) = idstatus.json("get", task.id, "--view", "basic", "-o", "json")
    assert "payload" not in told
    assert "secret" not in idstatus.says("get", task.id, "--view", "status")


def test_get_shows_a_late_report(idstatus: Idstatus, client: Client, queue: str) -> None:
    task = client.create(queue=queue)
    (claim,) = client.claim([queue])
    client.cancel(task.id, message="not needed")
    assert "may still be at work" in idstatus.says("list", "--queue", queue)
    client.finish([claim.report(Failure(exit_code=3))])
    shown = idstatus.says("get", task.id)
    assert "late report error/bad_exit exit status 3" in shown
    assert "not needed" in shown
    (told,) = idstatus.json("get", task.id, "-o", "json")
    assert told["late_report"]["outcome"] == {"error": {"reason": "bad_exit", "exit_code": 3}}


def test_list_shows_what_the_filters_ask_for(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    first = client.create(queue=queue, labels={"n": "1", "all": "yes"})
    second = client.create(queue=queue, labels={"n": "2", "all": "yes"})
    finish(Failure())
    retry = client.retry(first.id)

    def listed(*filters: str) -> list[str]:
        return [task["id"] for task in idstatus.json("list", "-q", queue, "-o", "json", *filters)]

    assert listed() == [retry.id, second.id, first.id]
    assert listed("--oldest-first", "--limit", "2") == [first.id, second.id]
    assert listed("--label", "all=yes", "--label", "n=2") == [second.id]
    assert listed("--status", "error", "--status", "queued") == [retry.id, second.id, first.id]
    assert listed("--status", "error") == [first.id]
    assert listed("--root", first.id) == [retry.id, first.id]
    assert listed("--older-than", "1h") == listed("--late-report") == []
    assert len(listed("--newer-than", "1h", "--no-late-report", "--limit", "0")) == 3


def test_list_shows_a_table_that_a_pipe_does_not_cut(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(queue=queue)
    finish(Failure(message="long story " * 30, exit_code=5))
    head, row = idstatus.says("list", "--queue", queue).splitlines()
    assert head.startswith("ID ")
    assert row.startswith(task.id)
    assert "error/bad_exit" in row
    assert ("long story " * 30).strip() in row


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Success(), 0), (Failure(reason=Reason.TIMEOUT), 10), (Stopped(), 11)],
)
def test_wait_tells_the_outcome_by_its_exit_status(
    idstatus: Idstatus, client: Client, queue: str, outcome: Outcome, status: int
) -> None:
    task = client.create(queue=queue)
    with idstatus.started("wait", task.id) as waiting:
        (claim,) = client.claim([queue])
        if isinstance(outcome, Stopped):
            client.cancel(task.id)
        client.finish([claim.report(outcome)])
        assert waiting.wait() == status


def test_wait_gives_up_in_time_and_says_so(idstatus: Idstatus, client: Client, queue: str) -> None:
    task = client.create(queue=queue)
    began = time.monotonic()
    assert "queued" in idstatus.says("wait", task.id, "--for", "100ms", status=12)
    assert time.monotonic() - began < 10


def test_the_first_task_that_is_no_success_decides_the_status_of_a_wait_for_many(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    ids = [client.create(queue=queue).id for _ in range(3)]
    finish(Success())
    finish(Failure())
    client.cancel(ids[2])
    told = idstatus.json("wait", *ids, "-o", "json", status=10)
    assert [task["status"] for task in told] == ["success", "error", "cancelled"]


def test_wait_follows_a_task_to_the_last_of_its_retries(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    task = client.create(queue=queue)
    finish(Failure())
    retry = client.retry(task.id)
    finish(Success())
    assert retry.id in idstatus.says("wait", task.id, "--follow-retries")


def test_yaml_has_a_document_for_each_task(
    idstatus: Idstatus, client: Client, queue: str, finish: Finish
) -> None:
    created = [client.create(b"\xff", queue=queue), client.create("h\u00e9llo: - [", queue=queue)]
    listed = idstatus.yaml("list", "-q", queue, "--view", "full")
    assert [task["id"] for task in listed] == [task.id for task in reversed(created)]
    assert (listed[0]["payload"], listed[1]["payload_base64"]) == ("h\u00e9llo: - [", "/w==")
    assert listed == idstatus.json("list", "-q", queue, "--view", "full", "-o", "json")
    finish(Success())
    assert [task["status"] for task in idstatus.yaml("wait", created[0].id)] == ["success"]

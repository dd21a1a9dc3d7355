"""google.longrunning.Operations: each task as an operation, and what becomes of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from google.longrunning import operations_pb2 as o
from google.protobuf.empty_pb2 import Empty
from rpc.wire import (
    Api,
    Refusal,
    names,
    refusal_of,
    refused,
    seconds,
)

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m

Method = Callable[[Api, str], Coroutine[Any, Any, Any]]
METHODS: dict[str, Method] = {
    "get": lambda api, name: api.operations.GetOperation(o.GetOperationRequest(name=name)),
    "wait": lambda api, name: api.operations.WaitOperation(o.WaitOperationRequest(name=name)),
    "cancel": lambda api, name: api.operations.CancelOperation(o.CancelOperationRequest(name=name)),
    "delete": lambda api, name: api.operations.DeleteOperation(o.DeleteOperationRequest(name=name)),
}
EVERY = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())


async def operation(api: Api, task_id: str) -> o.Operation:
    found = await METHODS["get"](api, f"tasks/{task_id}")
    assert isinstance(found, o.Operation)
    return found


async def wait(api: Api, task_id: str, longest: float) -> o.Operation:
    request = o.WaitOperationRequest(name=f"tasks/{task_id}", timeout=seconds(longest))
    found: o.Operation = await api.operations.WaitOperation(request)
    return found


async def listed(api: Api, **fields: Any) -> o.ListOperationsResponse:
    page: o.ListOperationsResponse = await api.operations.ListOperations(
        o.ListOperationsRequest(**fields)
    )
    return page


def task_in(packed: Any) -> m.Task:
    task = m.Task()
    assert packed.Unpack(task)
    return task


async def test_an_unfinished_task_is_an_operation_under_way(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, payload=b"in")
    progress = m.Progress(fraction=0.5, message="half way")
    await api.extend(r.Lease(id=claim.task.id, lease_token=claim.lease_token, progress=progress))
    for task in (claim.task, await api.create(queue), await api.create(queue, delay=seconds(60))):
        found = await operation(api, task.id)
        assert found.name == f"tasks/{task.id}"
        assert (found.done, found.WhichOneof("result")) == (False, None)
        assert task_in(found.metadata) == await api.get(task.id, m.TASK_VIEW_BASIC)
    assert task_in((await operation(api, claim.task.id)).metadata).progress == progress


async def test_a_success_responds_with_the_whole_task(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, payload=b"in")
    await api.succeed(claim, b"out")
    found = await operation(api, claim.task.id)
    assert (found.done, found.WhichOneof("result")) == (True, "response")
    assert task_in(found.response) == await api.get(claim.task.id)
    assert task_in(found.response).result == b"out"
    assert task_in(found.metadata) == await api.get(claim.task.id, m.TASK_VIEW_BASIC)


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        ({"reason": m.REASON_TIMEOUT}, "DEADLINE_EXCEEDED", "the task's time was up"),
        ({"reason": m.REASON_KILLED, "signal": 9}, "ABORTED", "the task was ended by force"),
        ({"reason": m.REASON_BAD_EXIT, "exit_code": 0}, "UNKNOWN", "the task failed"),
        (
            {"reason": m.REASON_BAD_EXIT, "exit_code": 3, "message": "no such file"},
            *("UNKNOWN", "no such file"),
        ),
    ],
)
async def test_a_failure_has_the_code_of_its_reason(
    api: Api, queue: str, failure: dict[str, Any], code: str, message: str
) -> None:
    claim = await api.run_one(queue)
    await api.fail(claim, **failure)
    found = await operation(api, claim.task.id)
    assert (found.done, found.WhichOneof("result")) == (True, "error")
    metadata = {"id": claim.task.id, "execution": "ENDED"}
    metadata |= {key: str(failure[key]) for key in ("exit_code", "signal") if key in failure}
    reason = m.Reason.Name(failure["reason"]).removeprefix("REASON_")
    assert refusal_of(found.error) == Refusal(code, reason, metadata=metadata, message=message)


async def test_a_task_whose_lease_ran_out_has_passed_its_deadline(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, lease=1)
    error = refusal_of((await wait(api, claim.task.id, 30)).error)
    assert error.kind == ("DEADLINE_EXCEEDED", "TIMEOUT")
    assert error.metadata == {"id": claim.task.id, "execution": "MAY_BE_RUNNING"}


@pytest.mark.parametrize("status", ["DELAYED", "QUEUED", "RUNNING"])
async def test_a_cancelled_operation_is_not_deleted_but_says_so(
    api: Api, queue: str, status: str
) -> None:
    task = await api.create(queue, delay=seconds(60) if status == "DELAYED" else None)
    if status == "RUNNING":
        await api.claim(queue)
    for _ in range(2):
        assert await METHODS["cancel"](api, f"tasks/{task.id}") == Empty()
    error = refusal_of((await operation(api, task.id)).error)
    assert error.kind == ("CANCELLED", "CLIENT_REQUEST")
    assert error.metadata["execution"] == (
        "MAY_BE_RUNNING" if status == "RUNNING" else "NOT_STARTED"
    )
    assert (await api.status(task.id)).status == m.STATUS_CANCELLED


async def test_what_a_cancellation_says_is_the_message_of_the_error(api: Api, queue: str) -> None:
    task = await api.create(queue)
    await api.cancel(task.id, message="not today")
    assert (await operation(api, task.id)).error.message == "not today"


@pytest.mark.parametrize("ending", ["success", "error"])
async def test_to_cancel_what_has_ended_is_answered_and_changes_nothing(
    api: Api, queue: str, ending: str
) -> None:
    claim = await api.run_one(queue)
    await (api.succeed(claim) if ending == "success" else api.fail(claim))
    before = await api.get(claim.task.id)
    assert await METHODS["cancel"](api, f"tasks/{claim.task.id}") == Empty()
    assert await api.get(claim.task.id) == before


async def test_an_operation_is_deleted_only_when_it_is_done(api: Api, queue: str) -> None:
    task = await api.create(queue)
    name = f"tasks/{task.id}"
    refusal = await refused(METHODS["delete"](api, name))
    assert refusal.kind == ("FAILED_PRECONDITION", "TASK_NOT_FINISHED")
    assert await api.get(task.id, m.TASK_VIEW_BASIC) == task
    await api.cancel(task.id)
    assert await METHODS["delete"](api, name) == Empty()
    assert (await refused(api.get(task.id))).reason == "TASK_NOT_FOUND"


@EVERY
async def test_an_unknown_operation_is_not_found(api: Api, queue: str, method: Method) -> None:
    refusal = await refused(method(api, f"tasks/{queue}"))
    assert refusal.kind == ("NOT_FOUND", "TASK_NOT_FOUND")
    assert refusal.metadata == {"id": queue}


@EVERY
@pytest.mark.parametrize("name", ["", "tasks/", "tasks", "hello", "operations/x", "tasks/a/b"])
async def test_a_name_that_is_none_is_refused(api: Api, method: Method, name: str) -> None:
    refusal = await refused(method(api, name))
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert refusal.fields == ["name"]


async def test_who_waits_is_answered_when_the_operation_is_done(api: Api, queue: str) -> None:
    task = await api.create(queue)
    waiting = asyncio.create_task(wait(api, task.id, 60))
    await api.settle()
    assert not waiting.done()
    await api.cancel(task.id)
    assert await waiting == await operation(api, task.id)
    assert await wait(api, task.id, 60) == await operation(api, task.id)


async def test_who_waits_too_long_is_told_how_it_stands(api: Api, queue: str) -> None:
    task = await api.create(queue)
    assert await wait(api, task.id, 0) == await operation(api, task.id)
    assert await wait(api, task.id, 0.1) == await operation(api, task.id)
    until_its_deadline = o.WaitOperationRequest(name=f"tasks/{task.id}")
    found = await api.operations.WaitOperation(until_its_deadline, timeout=2)
    assert found == await operation(api, task.id)
    refusal = await refused(wait(api, task.id, -1))
    assert (refusal.kind[0], refusal.fields) == ("INVALID_ARGUMENT", ["timeout"])


async def test_operations_are_listed_page_by_page(api: Api, queue: str) -> None:
    created = await api.create_many(5, queue)
    await api.cancel(created[2].id)
    (first, *_) = await api.claim(queue)
    await api.succeed(first, b"out")
    found: list[o.Operation] = []
    token = ""
    while len(found) < 5:
        page = await listed(api, filter=f"metadata.queue={queue}", page_size=2, page_token=token)
        assert len(page.operations) <= 2
        found += page.operations
        token = page.next_page_token
    assert token == ""
    assert [one.name for one in found] == [f"tasks/{task.id}" for task in created[::-1]]
    assert found == [await operation(api, task.id) for task in created[::-1]]


async def test_a_page_of_large_results_is_cut_short_and_goes_on(api: Api, queue: str) -> None:
    await api.create_many(8, queue, payload=b"p" * 256 * 1024)
    for claim in await api.claim(queue, max_tasks=8):
        await api.succeed(claim, b"r" * 256 * 1024)
    page = await listed(api, filter=f"metadata.queue={queue}")
    rest = await listed(api, filter=f"metadata.queue={queue}", page_token=page.next_page_token)
    assert 0 < len(page.operations) < 8
    assert len({one.name for one in (*page.operations, *rest.operations)}) == 8


async def test_a_token_goes_with_the_arguments_that_it_was_given_for(api: Api, queue: str) -> None:
    await api.create_many(3, queue)
    wanted = f"metadata.queue={queue}"
    token = (await listed(api, filter=wanted, page_size=1)).next_page_token
    of_tasks = (await api.page(page_size=1)).next_page_token
    for fields in (
        {"page_token": token},
        {"page_token": token, "filter": wanted, "name": "tasks"},
        {"page_token": of_tasks},
        {"page_token": "x", "filter": wanted},
    ):
        refusal = await refused(listed(api, **fields))
        assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_TOKEN")
    assert (await listed(api, filter=wanted, page_size=1, page_token=token)).operations


@pytest.fixture
async def world(api: Api, queue: str) -> dict[str, m.Task]:
    """A task of each kind, in a queue of their own."""
    made = {"done": await api.create(queue, labels={"app.io/kind": "a b", "n": "1"})}
    await api.succeed((await api.claim(queue))[0])
    made["failed"] = await api.create(queue, labels={"n": "1"})
    await api.fail((await api.claim(queue))[0])
    made["cancelled"] = await api.create(queue)
    await api.cancel(made["cancelled"].id)
    made["running"] = await api.create(queue)
    await api.claim(queue)
    made["queued"] = await api.create(queue, labels={"n": "2"})
    made["delayed"] = await api.create(queue, delay=seconds(60))
    return made


async def test_a_filter_means_what_it_says(api: Api, queue: str, world: dict[str, m.Task]) -> None:
    kinds = {task.id: kind for kind, task in world.items()}
    for text, expected in {
        "": "done failed cancelled running queued delayed",
        "done=true": "done failed cancelled",
        "done = false": "running queued delayed",
        "metadata.status=ERROR": "failed",
        'metadata.status = "STATUS_ERROR"': "failed",
        "metadata.labels.n=1": "done failed",
        "metadata.labels.n=1 AND done=true AND metadata.status=SUCCESS": "done",
        'metadata.labels.app.io/kind="a b"': "done",
        'metadata.labels.n=""': "",
        "done=true AND metadata.status=QUEUED": "",
        "metadata.status=RUNNING   AND\tdone=false ": "running",
    }.items():
        wanted = f"metadata.queue={queue} AND {text}" if text else f"metadata.queue={queue}"
        page = await listed(api, name="tasks", filter=wanted, return_partial_success=True)
        assert not page.unreachable
        found = [kinds[one.name.partition("/")[2]] for one in page.operations]
        assert found == expected.split()[::-1], text


@pytest.mark.parametrize(
    "text",
    [
        *("done", "done=", "done=yes", "done=True", "done:true", "done!=true", "NOT done=true"),
        *("-done=true", "(done=true)", "done=true AND", "AND done=true", "done=true AND AND"),
        *("done=true OR done=false", "done=true done=false", "done=true AND done=true"),
        *("done=trueANDmetadata.queue=q", "done=true and metadata.queue=q", "name=tasks/x"),
        *("metadata.status=error", "metadata.status=UNSPECIFIED", "metadata.priority=1"),
        *(
            'metadata.labels.n="1*"',
            r'metadata.labels.n="\""',
            'metadata.labels.n="1',
            "metadata.queue=*",
        ),
        *("hello", "metadata.labels=n", "done=true\0"),
    ],
)
async def test_a_filter_that_is_none_is_refused(api: Api, text: str) -> None:
    refusal = await refused(listed(api, filter=text))
    assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert set(refusal.fields) == {"filter"}


async def test_the_values_of_a_filter_keep_the_rules_of_their_fields(api: Api) -> None:
    for text, field in {
        "metadata.queue=Mail": "filter.queues",
        'metadata.queue=""': "filter.queues",
        "metadata.labels.=1": "filter.labels",
        f"metadata.labels.n={'v' * 256}": "filter.labels[n]",
        f"metadata.labels.{'k' * 5000}=v": "filter",
    }.items():
        assert field in (await refused(listed(api, filter=text))).fields


async def test_every_fault_of_a_list_is_told_at_once(api: Api) -> None:
    refusal = await refused(listed(api, name="projects/x", filter="?", page_size=-1))
    assert refusal.fields == ["name", "filter", "page_size"]


async def test_what_is_listed_without_a_filter_is_everything(api: Api, queue: str) -> None:
    created = await api.create_many(3, queue)
    for name in ("", "tasks"):
        page = await listed(api, name=name, page_size=1000)
        assert {f"tasks/{task_id}" for task_id in names(created)} <= {
            one.name for one in page.operations
        }

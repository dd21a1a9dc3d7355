"""Each call is a span in the trace of its caller, and shows the commit that carried it."""

import asyncio
from collections import Counter

from rpc.wire import Api, new, refused
from telemetry.receiver import SERVICE, Receiver, Seen, wait_for

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331"


async def create(api: Api, task_id: str, *headers: tuple[str, str]) -> None:
    await api.tasks.CreateTask(new("q", task_id=task_id), metadata=headers)


def create_of(receiver: Receiver, task_id: str) -> Seen:
    return receiver.one(f"{SERVICE}/CreateTask", task_id=task_id)


async def test_a_call_is_part_of_its_callers_trace(api: Api, receiver: Receiver) -> None:
    await create(api, "t-1", ("traceparent", f"{CALLER}-01"), ("tracestate", "a=1"))
    call = create_of(receiver, "t-1")
    assert (call.parent, call.kind, call.state) == (CALLER, "SPAN_KIND_SERVER", "a=1")
    assert call.facts == {
        "rpc.system.name": "grpc",
        "rpc.method": f"{SERVICE}/CreateTask",
        "rpc.response.status_code": "OK",
        "idstatus.task_id": "t-1",
        "idstatus.task_ids": ["t-1"],
    }
    (commit,) = wait_for(lambda: receiver.parts(call, "ledger.commit"))
    assert (commit.facts["idstatus.commands"], commit.facts["idstatus.changes"]) == (1, 1)
    assert commit.facts["idstatus.revision"] > 0
    assert len(receiver.parts(call, "ledger.wait")) == 1
    assert len(receiver.parts(commit, "store.transaction")) == 1


MALFORMED = [
    f"{CALLER}-01-more",
    f"{CALLER}-0",
    f"{CALLER.upper()}-01",
    f"ff{CALLER[2:]}-01",
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"{CALLER}-01,{CALLER}-01",
    "x" * 4000,
    "",
]


async def test_a_malformed_context_is_ignored(api: Api, receiver: Receiver) -> None:
    for number, header in enumerate(MALFORMED):
        await create(api, f"bad-{number}", ("traceparent", header), ("tracestate", "=,="))
    for number in range(len(MALFORMED)):
        call = create_of(receiver, f"bad-{number}")
        assert (call.parent, call.state) == ("", "")
        assert call.trace != TRACE


async def test_a_later_version_of_the_header_counts(api: Api, receiver: Receiver) -> None:
    await create(api, "later", ("traceparent", f"cc{CALLER[2:]}-01-what-comes"))
    assert create_of(receiver, "later").parent == CALLER


async def test_a_refusal_is_the_callers_fault_not_the_servers(api: Api, receiver: Receiver) -> None:
    await refused(api.cancel("nobody"))
    call = receiver.one(f"{SERVICE}/CancelTask", task_id="nobody")
    assert call.facts["rpc.response.status_code"] == "NOT_FOUND"
    assert not call.is_error


async def test_a_commit_and_the_calls_that_it_carried_are_linked(
    api: Api, receiver: Receiver, queue: str
) -> None:
    tasks = await asyncio.gather(*(api.create(queue) for _ in range(100)))
    ids = {(task.id,) for task in tasks}

    def calls() -> list[Seen]:
        found = receiver.named(f"{SERVICE}/CreateTask")
        found = [c for c in found if tuple(c.facts.get("idstatus.task_ids", ())) in ids]
        return found if len(found) == len(tasks) else []

    carried = Counter(commit_of(call, receiver).context for call in wait_for(calls))
    commits = {commit.context: commit for commit in receiver.named("ledger.commit")}
    assert max(carried.values()) > 1
    for context, count in carried.items():  # a timer's command may have joined them
        assert commits[context].facts["idstatus.commands"] >= count
        assert len(commits[context].links) >= count - 1


def commit_of(call: Seen, receiver: Receiver) -> Seen:
    """The one commit that carried a call: a part of it, or linked with it both ways."""

    def found() -> list[Seen]:
        return [
            commit
            for commit in receiver.named("ledger.commit")
            if commit.parent == call.context or commit.context in call.links
        ]

    (commit,) = wait_for(found)
    assert (commit.parent == call.context) != (call.context in commit.links)
    return commit


async def test_probes_leave_no_trace(api: Api, receiver: Receiver) -> None:
    await api.raw("grpc.health.v1.Health/Check", b"")
    await create(api, "after-the-probe")
    create_of(receiver, "after-the-probe")
    assert not [span for span in receiver.spans if span.name.startswith("grpc.")]

"""ListTasks: complete pages, both orders, every filter, every view."""

import asyncio
import random
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rpc.wire import Api, copy, names, new, seconds, unset

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

OLDEST = t.LIST_ORDER_OLDEST_FIRST
NEWEST = t.LIST_ORDER_NEWEST_FIRST


@pytest.fixture
def api(own: Api) -> Api:
    """A server without the tasks of other tests: a list by labels looks at all there are."""
    return own


async def test_tasks_are_listed_in_either_order(api: Api, queue: str) -> None:
    created = names([await api.create(queue, priority=random.randint(0, 9)) for _ in range(7)])
    wanted = m.TaskFilter(queues=[queue])
    assert names(await api.every(filter=wanted)) == created[::-1]
    assert names(await api.every(filter=wanted, order=NEWEST)) == created[::-1]
    assert names(await api.every(filter=wanted, order=OLDEST)) == created
    await api.cancel(created[3])  # a change does not move a task
    assert names(await api.every(filter=wanted, order=OLDEST)) == created


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("order", [OLDEST, NEWEST])
async def test_pages_of_any_size_add_up(api: Api, queue: str, order: Any, size: int) -> None:
    created = names(await api.create_many(6, queue))
    listed, token = [], ""
    for _ in range(20):
        page = await api.page(
            filter=m.TaskFilter(queues=[queue]), order=order, page_size=size, page_token=token
        )
        assert len(page.tasks) <= size
        listed += names(page.tasks)
        token = page.next_page_token
        if not token:
            break
    assert listed == (created if order == OLDEST else created[::-1])


@pytest.mark.parametrize("order", [OLDEST, NEWEST])
@pytest.mark.parametrize("by", ["queue", "label", "status", "chain", "all"])
async def test_nothing_is_missed_or_repeated_while_others_write(
    api: Api, queue: str, order: Any, by: str
) -> None:
    root = await api.create(queue, labels={"q": queue})
    before = {root.id, *names(await api.create_many(40, queue, labels={"q": queue}))}
    wanted = {
        "queue": m.TaskFilter(queues=[queue, f"{queue}-other"]),
        "label": m.TaskFilter(labels={"q": queue}),
        "status": m.TaskFilter(statuses=[m.STATUS_QUEUED], labels={"q": queue}),
        "chain": m.TaskFilter(root_id=root.id),
        "all": None,
    }[by]
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await api.create_many(3, random.choice([queue, f"{queue}-other"]), labels={"q": queue})

    writing = asyncio.create_task(write())
    size = 1000 if by == "all" else 3
    tasks = await api.every(filter=wanted, order=order, page_size=size)
    stop.set()
    await writing
    listed = names(tasks)
    assert len(set(listed)) == len(listed)
    assert (before if by != "chain" else {root.id}) <= set(listed)
    times = [task.create_time.ToNanoseconds() for task in tasks]
    assert times == sorted(times, reverse=order == NEWEST)


class World:
    """Tasks in all statuses, in two queues, with labels and chains."""

    def __init__(self, tasks: list[m.Task]) -> None:
        self.tasks = tasks


@pytest.fixture
async def world(api: Api, queue: str) -> World:
    mine = {"world": queue}
    for number, name in enumerate((f"{queue}-a", f"{queue}-b")):
        requests = [
            new(name, labels={**mine, "n": str(i % 3)}, delay=seconds(3600 if i == 0 else 0))
            for i in range(8)
        ]
        await api.batch(*requests)
        claims = await api.claim(name, max_tasks=5)
        await api.succeed(claims[0])
        await api.fail(claims[1])
        await api.cancel(claims[2].task.id)
        await api.finish(claims[2], stopped=m.Stopped())
        await api.cancel(claims[3].task.id)
        await api.retry(claims[number].task.id)
    return World(await api.every(filter=m.TaskFilter(labels=mine), order=OLDEST, page_size=1000))


def matches(task: m.Task, wanted: m.TaskFilter) -> bool:
    """Tell, in the contract's words, whether a task is meant."""
    created = task.create_time.ToNanoseconds()
    span = wanted.create_time
    return (
        (not wanted.queues or task.queue in wanted.queues)
        and (not wanted.statuses or task.status in wanted.statuses)
        and all(task.labels.get(key) == value for key, value in wanted.labels.items())
        and (not wanted.root_id or task.root_id == wanted.root_id)
        and (not span.HasField("start") or created >= span.start.ToNanoseconds())
        and (not span.HasField("end") or created < span.end.ToNanoseconds())
        and (
            not wanted.HasField("has_late_report")
            or task.HasField("late_report") == wanted.has_late_report
        )
    )


async def test_every_filter_alone_and_with_others_means_what_it_says(
    api: Api, world: World, queue: str
) -> None:
    assert len(world.tasks) == 18
    times = [task.create_time for task in world.tasks]
    middle = times[len(times) // 2]
    choices: list[list[dict[str, Any]]] = [
        [{}, {"queues": [f"{queue}-a"]}, {"queues": [f"{queue}-a", f"{queue}-b", "no-such"]}],
        [{}, *({"statuses": [status]} for status in range(1, 7)), {"statuses": [2, 4, 6]}],
        [{}, {"labels": {"world": queue, "n": "1"}}, {"labels": {"world": queue, "no": ""}}],
        [{}, {"root_id": world.tasks[1].id}, {"root_id": world.tasks[-1].root_id}],
        [
            {},
            {"create_time": m.TimeRange(start=middle)},
            {"create_time": m.TimeRange(end=middle)},
            {"create_time": m.TimeRange(start=times[2], end=times[-1])},
            {"create_time": m.TimeRange(start=middle, end=middle)},
        ],
        [{}, {"has_late_report": True}, {"has_late_report": False}],
    ]
    singles = [dict(one) for options in choices for one in options]
    rng = random.Random(7)  # the same each time
    combined = [
        {key: value for options in choices for key, value in rng.choice(options).items()}
        for _ in range(60)
    ]
    for fields in (*singles, *combined):
        wanted = m.TaskFilter(**{"labels": {"world": queue}, **fields})
        order = rng.choice([OLDEST, NEWEST])
        listed = await api.every(filter=wanted, order=order, page_size=rng.choice([2, 5, 1000]))
        expected = names([task for task in world.tasks if matches(task, wanted)])
        assert names(listed) == (expected if order == OLDEST else expected[::-1]), fields


async def test_an_end_at_the_epoch_leaves_nothing(api: Api, queue: str) -> None:
    await api.create(queue)
    for stamp in (Timestamp(), Timestamp(seconds=-1), Timestamp(seconds=1)):
        wanted = m.TaskFilter(queues=[queue], create_time=m.TimeRange(end=stamp))
        assert await api.every(filter=wanted) == []
        assert (await api.cancel_batch(filter=wanted, validate_only=True)).count == 0


async def test_an_empty_store_has_an_empty_list_whatever_is_asked(own: Api, queue: str) -> None:
    wanted = [
        None,
        m.TaskFilter(queues=[queue]),
        m.TaskFilter(statuses=[m.STATUS_QUEUED]),
        m.TaskFilter(root_id=queue),
        m.TaskFilter(create_time=m.TimeRange(start=Timestamp(seconds=1))),
        m.TaskFilter(create_time=m.TimeRange(end=Timestamp(seconds=1))),
    ]
    for one in wanted:
        page = await own.page(filter=one)
        assert (list(page.tasks), page.next_page_token) == ([], "")


async def test_each_view_shows_its_fields(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, payload=b"in", labels={"a": "b"})
    await api.succeed(claim, b"out")
    full = await api.get(claim.task.id)
    assert (full.payload, full.result, len(full.transitions)) == (b"in", b"out", 3)
    basic = copy(full)
    for field in ("payload", "result", "transitions"):
        basic.ClearField(field)
    status = m.Task.FromString((await api.status(full.id)).SerializeToString())
    assert unset(status, "queue", "labels", "create_time")
    wanted = m.TaskFilter(queues=[queue])
    views = {0: basic, m.TASK_VIEW_STATUS: status, m.TASK_VIEW_BASIC: basic, 3: full}
    for view, expected in views.items():
        assert list((await api.page(filter=wanted, view=view)).tasks) == [expected]
        assert await api.get(full.id, view) == (full if view == 0 else expected)
        assert await api.wait(full.id, 0, view) == (full if view == 0 else expected)


async def test_a_page_of_large_tasks_is_cut_short_and_goes_on(api: Api, queue: str) -> None:
    created = []
    for _ in range(4):
        created += await api.create_many(5, queue, payload=b"p" * 256 * 1024)
    wanted = m.TaskFilter(queues=[queue])
    page = await api.page(filter=wanted, view=m.TASK_VIEW_FULL, page_size=1000)
    assert 0 < len(page.tasks) < 20
    tasks = await api.every(filter=wanted, view=m.TASK_VIEW_FULL, page_size=1000)
    assert names(tasks) == names(created)[::-1]
    assert {len(task.payload) for task in tasks} == {256 * 1024}


async def test_a_rare_match_among_many_is_found(api: Api, queue: str) -> None:
    rare = await api.create(queue, labels={"rare": "yes"})
    for _ in range(6):
        await api.create_many(1000, queue)
    wanted = m.TaskFilter(queues=[queue], labels={"rare": "yes"})
    assert names(await api.every(filter=wanted, page_size=1)) == [rare.id]
    assert names(await api.every(filter=wanted, page_size=1, order=OLDEST)) == [rare.id]
    assert (await api.cancel_batch(filter=wanted)).count == 1

"""Each who shares a commit has in its trace what is its own; a bug of the telling harms none."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Claim, Create, Expire, NewTask
from idstatus_server.errors import StoreUnavailableError
from idstatus_server.metrics.events import Events
from idstatus_server.model import RetryPolicy
from idstatus_server.store.sqlite import MEMORY, SqliteStore
from idstatus_server.telemetry.spans import OtelTracer
from idstatus_server.tracing import MOST_TASKS, Span

SECOND = 1_000_000


class Store(SqliteStore):
    """The real store, with a clock that can be set forward and a disk that can be full."""

    fast = 0
    full = False

    def __init__(self) -> None:
        super().__init__(MEMORY, lambda: time.time_ns() // 1000 + self.fast)

    async def _commit(self) -> None:
        if self.full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        await super()._commit()


class Scene:
    """A ledger whose spans are kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.tracer = OtelTracer(self.provider.get_tracer("here"))
        self.ledger = Ledger(store, lambda *_: None, 600, tracer=self.tracer)

    async def within(self, span: Span, *commands: Any) -> None:
        with span:
            for command in commands:
                await self.ledger.submit(command)

    def call(self) -> Span:
        return self.tracer.call("a/Call", ())

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.kept.get_finished_spans() if span.name == name]
        return span

    async def created_in(self, task_id: str) -> int:
        tasks = await self.store.tasks([task_id])
        return int(tasks[task_id].created_in.split("-")[1], 16)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with Store() as store:
        scene = Scene(store)
        yield scene
        await scene.ledger.close(5)


def new(*ids: str, **fields: Any) -> Create:
    return Create([NewTask("q", timeout=60 * SECOND, labels={}, task_id=i, **fields) for i in ids])


def trace_of(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.trace_id)


async def test_a_retry_that_the_server_makes_is_not_of_a_call_in_the_same_commit(
    scene: Scene,
) -> None:
    policy = RetryPolicy(max_retries=1)
    await scene.ledger.submit(new("expires", retry_policy=policy))
    await scene.ledger.submit(Claim(queues=("q",), max_tasks=1, lease=SECOND, max_bytes=1000))
    scene.store.fast += 10 * SECOND
    now = await scene.store.now()
    await asyncio.gather(
        scene.within(scene.call(), new("other")),
        scene.within(scene.tracer.duty("expire"), Expire(["expires"], now + SECOND)),
    )
    call, expiry, commit = map(scene.one, ("a/Call", "timer.expire", "ledger.commit"))
    assert commit.parent == call.context
    assert [link.context for link in commit.links] == [expiry.context]
    expired = (await scene.store.tasks(["expires"]))["expires"]
    assert await scene.created_in(expired.retried_by) == trace_of(expiry) != trace_of(call)
    assert await scene.created_in("other") == trace_of(call)
    assert expiry.attributes == {"idstatus.task_ids": ("expires", expired.retried_by)}


async def test_a_call_that_writes_more_than_once_names_all_its_tasks_but_not_too_many(
    scene: Scene,
) -> None:
    many = [str(number) for number in range(MOST_TASKS)]
    await scene.within(scene.call(), new("a"), new("b"), new(*many))
    attributes = scene.one("a/Call").attributes
    assert attributes
    assert attributes["idstatus.task_ids"] == ("a", "b", *many[:-2])


async def test_tasks_of_a_commit_that_failed_are_not_named(scene: Scene) -> None:
    scene.store.full = True
    with pytest.raises(StoreUnavailableError):
        await scene.within(scene.call(), new("a"))
    assert "idstatus.task_ids" not in (scene.one("a/Call").attributes or {})


class Faulty(SpanProcessor):
    """Somebody's bug."""

    def on_start(self, *_: object) -> NoReturn:
        raise ZeroDivisionError

    def on_end(self, *_: object) -> NoReturn:
        raise ZeroDivisionError


async def test_a_bug_of_who_traces_fails_no_write_and_stops_no_ledger(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    call = scene.call()
    scene.provider.add_span_processor(Faulty())
    await scene.within(call, new("a"), new("b"))
    await scene.within(scene.call(), new("c"))
    assert len(await scene.store.tasks("abc")) == 3
    assert "not counted or traced" in caplog.text


def test_a_bug_of_who_counts_is_told_by_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    Events(CollectorRegistry()).committed(1, [None], 0.0)  # type: ignore[list-item]  # the bug
    assert "not counted or traced" in caplog.text

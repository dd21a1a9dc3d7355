"""What every store must do when it is read: lists, history, and what the timers ask for."""

from itertools import product

import pytest
from store.author import SECOND, Author
from store.conformance import START, Fixtures, mark

from idstatus_server.errors import RevisionCompactedError, RevisionInFutureError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Answer, Filter, Kind, Queue, Task
from idstatus_server.store import rows
from idstatus_server.store.base import Head, Needs, Page, Remembered, Store, Wake


class Lists(Fixtures):
    async def ids(self, store: Store, wanted: Filter, page: Page | None = None) -> list[str]:
        found = await store.find(wanted, page or Page())
        return [task.id for task in found if wanted.matches(task)]

    async def test_tasks_are_listed_both_ways_and_page_by_page(
        self, store: Store, author: Author
    ) -> None:
        for name in "abcde":
            await author.create(name)
        assert await self.ids(store, Filter()) == list("abcde")
        assert await self.ids(store, Filter(), Page(2, 2)) == ["c", "d"]
        assert await self.ids(store, Filter(), Page(4, 2, newest_first=True)) == ["c", "b"]
        assert await self.ids(store, Filter(), Page(0, 1, newest_first=True)) == ["e"]

    async def test_every_field_of_a_filter_selects(self, store: Store, author: Author) -> None:
        await author.create("a", queue="x")
        task = await author.create("b", queue="y", labels={"k": "v"})
        task = await author.move(task, Status.ERROR)
        await author.create("c", queue="y", retry_of="b", root_id="b")
        assert await self.ids(store, Filter(queues=frozenset({"x", "z"}))) == ["a"]
        assert await self.ids(store, Filter(statuses=frozenset({Status.ERROR}))) == ["b"]
        assert await self.ids(store, Filter(root_id="b")) == ["b", "c"]
        assert await self.ids(store, Filter(labels={"k": "v"})) == ["b"]
        both = Filter(queues=frozenset("y"), statuses=frozenset({Status.QUEUED}))
        assert await self.ids(store, both) == ["c"]

    async def test_a_span_of_creation_times_selects(self, store: Store, author: Author) -> None:
        created = [await author.create(name) for name in "abcde"]
        start, end = created[1].create_time, created[3].create_time
        assert await self.ids(store, Filter(created_from=start, created_before=end)) == ["b", "c"]
        assert await self.ids(store, Filter(created_from=end + 1)) == ["e"]
        assert await self.ids(store, Filter(created_from=author.now + 1)) == []

    async def test_queues_are_listed_with_what_is_in_them(
        self, store: Store, author: Author
    ) -> None:
        task = await author.create("a", queue="x")
        second = await author.create("b", queue="x", priority=9)
        await author.create("c", queue="y", status=Status.DELAYED, run_time=1)
        await author.move(second, Status.RUNNING)
        found = await store.queues("", 10)
        assert [state.queue.name for state in found] == ["x", "y"]
        assert found[0].oldest_queued_time == task.create_time
        assert {s: n for s, n in found[0].counts.items() if n} == {
            Status.QUEUED: 1,
            Status.RUNNING: 1,
        }
        assert [state.queue.name for state in await store.queues("x", 10)] == ["y"]
        assert await store.queue("z") is None

    async def test_the_tasks_ahead_of_one_are_those_that_claims_hand_out_before_it(
        self, store: Store, author: Author
    ) -> None:
        priorities = [0, 5, 9, 5, 0, 5, 9]
        for number, priority in enumerate(priorities):
            await author.create(f"t{number}", priority=priority)
        await author.create("elsewhere", queue="other", priority=9)
        await author.create("later", priority=9, status=Status.DELAYED, run_time=1)
        await author.move((await store.tasks(["t2"]))["t2"], Status.RUNNING)
        line = (await author.load(Needs(claims={"q": 100}))).claimable["q"]
        assert [task.id for task in line] == ["t6", "t1", "t3", "t5", "t0", "t4"]
        assert [await store.ahead(task, 100) for task in line] == [0, 1, 2, 3, 4, 5]
        assert [await store.ahead(task, 3) for task in line] == [0, 1, 2, 3, 3, 3]


class History(Fixtures):
    async def test_the_log_is_dense_and_shows_before_and_after(
        self, store: Store, author: Author
    ) -> None:
        queued = await author.create("a")
        running = await author.move(queued, Status.RUNNING)
        log = await store.log(START, 10)
        assert [change.revision for change in log] == [1, 2]
        assert [(c.before, c.task) for c in log] == [(None, queued), (queued, running)]
        assert [change.revision for change in await store.log(mark(queued), 10)] == [2]

    async def test_a_unit_is_read_whole_whatever_the_limit(
        self, store: Store, author: Author
    ) -> None:
        new = [Task(id=name, queue="q", timeout=1) for name in "abc"]
        await author.commit(*((Kind.TRANSITION, None, task) for task in new))
        await author.create("d")
        assert [change.revision for change in await store.log(START, 1)] == [1, 2, 3]

    async def test_the_past_is_shown_as_it_was(self, store: Store, author: Author) -> None:
        a, b, c = [await author.create(name) for name in "abc"]
        past = c.revision
        await author.move(a, Status.RUNNING)
        await author.delete(await author.move(b, Status.CANCELLED))
        await author.create("d")
        assert await store.find_at(past, Filter(), Page()) == ([a, b, c], 0)
        assert await store.tasks_at(past, ["a", "b", "d", "z"]) == {"a": a, "b": b}

    @pytest.mark.parametrize("past", range(0, 31, 5))
    async def test_the_past_is_whole_on_small_pages(
        self, store: Store, author: Author, past: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        states: list[dict[str, Task]] = [{}]
        for step in range(30):
            now = dict(states[-1])
            name = f"t{step % 12}"
            if name not in now:
                now[name] = await author.create(name, queue=f"q{step % 2}")
            elif step % 3:
                now[name] = await author.move(now[name], Status.CANCELLED)
            else:
                await author.delete(now.pop(name))
            states.append(now)
        queued = Filter(statuses=frozenset({Status.QUEUED}))
        filters = (Filter(), Filter(queues=frozenset({"q1"})), queued)
        for wanted, look_at in product(filters, (2, rows.LOOK_AT)):
            monkeypatch.setattr(rows, "LOOK_AT", look_at)
            seen, after = [], 0
            while True:
                some, after = await store.find_at(past, wanted, Page(after, 3))
                seen += [task for task in some if wanted.matches(task)]
                if not after:
                    break
            expected = [task for task in states[past].values() if wanted.matches(task)]
            assert seen == sorted(expected, key=lambda task: task.seq)

    async def test_what_is_compacted_is_refused_and_the_rest_is_kept(
        self, store: Store, author: Author
    ) -> None:
        tasks = [await author.create(name) for name in "abcd"]
        assert await store.compact(tasks[2].update_time, 10) == 1
        assert await store.compact(tasks[2].update_time, 10) == 0
        assert await store.head() == Head(mark(tasks[3]), 2)
        assert [change.revision for change in await store.log(mark(tasks[1]), 10)] == [3, 4]
        for read in (
            store.log(mark(tasks[0]), 10),
            store.find_at(1, Filter(), Page()),
            store.tasks_at(1, ["a"]),
        ):
            with pytest.raises(RevisionCompactedError):
                await read
        assert len(await store.find(Filter(), Page())) == 4

    async def test_the_log_goes_on_from_its_own_marks_only(
        self, store: Store, author: Author
    ) -> None:
        """A mark of another history may have the same number, but not the same time."""
        tasks = [await author.create(name) for name in "abc"]
        own = mark(tasks[1])
        foreign = (own._replace(time=own.time + 1), mark(tasks[2])._replace(revision=4))
        for _ in range(2):  # as the log is, and with the mark as its oldest
            assert [change.revision for change in await store.log(own, 10)] == [3]
            for other in foreign:
                with pytest.raises(RevisionInFutureError):
                    await store.log(other, 10)
            await store.compact(own.time + 1, 10)
            assert (await store.head()).oldest == 2

    async def test_the_log_may_be_compacted_to_its_very_end(
        self, store: Store, author: Author
    ) -> None:
        task = await author.create("a")
        await store.compact(author.now + 1, 10)
        assert await store.head() == Head(mark(task), 1)
        assert await store.log(mark(task), 10) == []
        with pytest.raises(RevisionCompactedError):
            await store.log(START, 10)
        other = await author.create("b")
        assert [change.revision for change in await store.log(mark(task), 10)] == [2]
        assert (await store.head()).newest == mark(other)


class Duties(Fixtures):
    async def test_tasks_wake_when_their_time_has_come(self, store: Store, author: Author) -> None:
        assert await store.next_wake() is None
        await author.create("late", status=Status.DELAYED, run_time=500)
        await author.create("soon", status=Status.DELAYED, run_time=100)
        await author.create("r", status=Status.RUNNING, lease_expire_time=300, deadline=200)
        assert await store.next_wake() == 100
        assert [task.id for task in await store.awake(Status.DELAYED, 99, 9)] == []
        assert [task.id for task in await store.awake(Status.DELAYED, 500, 9)] == ["soon", "late"]
        assert [task.id for task in await store.awake(Status.DELAYED, 500, 1)] == ["soon"]
        assert [task.id for task in await store.awake(Status.RUNNING, 200, 9)] == ["r"]
        assert [task.id for task in await store.running(Wake(), 9)] == ["r"]
        assert await store.running(Wake(200, 3), 9) == []

    async def test_finished_tasks_outlive_their_retention(
        self, store: Store, author: Author
    ) -> None:
        await author.create("old", status=Status.SUCCESS, end_time=10)
        await author.create("new", status=Status.SUCCESS, end_time=50)
        await author.create("open", queue="own")
        await author.create("own", queue="own", status=Status.ERROR, end_time=90)
        assert await store.outlived(100, 60, 9) == ["old"]
        await author.commit(queues=(Queue(name="own", retention=5),))
        assert sorted(await store.outlived(100, 60, 9)) == ["old", "own"]

    async def test_old_request_ids_are_forgotten(self, store: Store, author: Author) -> None:
        for name in "abc":
            await author.commit(answers={name: Remembered(b"", Answer())})
        assert await store.forget(author.now, 9) == 2
        loaded = await author.load(Needs(request_ids=frozenset("abc")))
        assert set(loaded.answers) == {"c"}
        assert await store.forget(author.now - SECOND, 9) == 0

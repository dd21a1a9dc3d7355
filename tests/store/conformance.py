"""What every store must do. A driver's test file inherits these classes and gives
one fixture, ``open_store``: a function that opens the same database each time.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from store.author import SECOND, Author

from idstatus_server.errors import RevisionCompactedError, RevisionInFutureError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Answer, Filter, Kind, Mark, Queue, Task, replace
from idstatus_server.store.base import Bodies, Head, Needs, Page, Remembered, Store, Wake, Writes

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
START = Mark(0, 0)
NOTHING = Writes((), (), {}, {}, {}, {}, (), 0)


def mark(task: Task) -> Mark:
    """Return where one stands who has seen the task as it is."""
    return Mark(task.revision, task.update_time)


class Fixtures:
    """What the suite's classes share."""

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[Store]:
        async with open_store() as store:
            yield store

    @pytest.fixture
    def author(self, store: Store) -> Author:
        return Author(store)


class Commits(Fixtures):
    async def test_a_new_store_is_empty(self, store: Store) -> None:
        assert await store.head() == Head(START, 0)

    async def test_what_is_committed_is_read_back(self, store: Store, author: Author) -> None:
        task = await author.create("a", labels={"k": "v"}, priority=3)
        assert await store.tasks(["a", "b"]) == {"a": task}

    async def test_a_transaction_without_commit_leaves_nothing(
        self, store: Store, author: Author
    ) -> None:
        async with store.transaction():
            pass
        with pytest.raises(RuntimeError):
            async with store.transaction():
                raise RuntimeError
        task = await author.create("a")
        assert (task.revision, await store.head()) == (1, Head(mark(task), 0))

    async def test_a_commit_knows_the_time_of_the_one_before(
        self, store: Store, author: Author
    ) -> None:
        await author.create("a")
        async with store.transaction() as transaction:
            assert (transaction.head.revision, transaction.time) == (1, author.now)

    async def test_a_saved_task_changes_without_a_revision(
        self, store: Store, author: Author
    ) -> None:
        task = await author.create("a", status=Status.RUNNING, deadline=1, lease_expire_time=1)
        extended = replace(task, lease_expire_time=99)
        await author.commit(saved=(extended,))
        assert await store.tasks(["a"]) == {"a": extended}
        assert (await store.head()).newest.revision == 1

    async def test_a_task_may_change_twice_in_one_commit(
        self, store: Store, author: Author
    ) -> None:
        first = Task(id="a", seq=1, queue="q", timeout=1, status=Status.QUEUED, create_time=0)
        await author.commit(
            (Kind.TRANSITION, None, first),
            (Kind.TRANSITION, first, replace(first, status=Status.CANCELLED, end_time=5)),
        )
        assert (await store.tasks(["a"]))["a"].status is Status.CANCELLED
        assert [change.kind for change in await store.log(START, 10)] == [Kind.TRANSITION] * 2


class Durability(Fixtures):
    async def test_everything_survives_closing_and_opening(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            name = store.store_id
            task = await Author(store).create("a")
        async with open_store() as store:
            assert store.store_id == name
            assert await store.tasks(["a"]) == {"a": task}
            assert await store.head() == Head(mark(task), 0)


class Loads(Fixtures):
    async def test_a_deleted_id_stays_used(self, store: Store, author: Author) -> None:
        task = await author.create("a", status=Status.SUCCESS, end_time=1)
        await author.delete(task)
        loaded = await author.load(Needs(ids=frozenset({"a", "b"})))
        assert (set(loaded.tasks), set(loaded.used)) == (set(), {"a"})
        assert await store.tasks(["a"]) == {}

    async def test_a_deleted_task_is_recalled_and_tells_its_retry(
        self, store: Store, author: Author
    ) -> None:
        here = await author.create("here")
        gone = await author.create("gone", status=Status.ERROR, end_time=1, retried_by="next")
        await author.delete(gone)
        loaded = await author.load(Needs(recalled=frozenset({"here", "gone", "never"})))
        assert loaded.recalled["here"] == here
        assert loaded.recalled["gone"].transitions == gone.transitions
        assert set(loaded.recalled) == {"here", "gone"}
        assert await store.deleted(["here", "gone", "never"]) == {"gone": "next"}

    async def test_a_copy_outlives_its_source_that_goes_in_the_same_commit(
        self, store: Store, author: Author
    ) -> None:
        new = Task(id="a", queue="q", timeout=1, status=Status.ERROR, end_time=1)
        (old,) = await author.commit((Kind.TRANSITION, None, new), payloads={"a": b"in"})
        again = Task(id="b", queue="q", timeout=1)
        changes = ((Kind.TRANSITION, None, again), (Kind.DELETED, old, old))
        copy, _ = await author.commit(*changes, copies={"b": old})
        assert await store.bodies([old.seq, copy.seq]) == {copy.seq: Bodies(b"in")}

    async def test_a_unique_key_is_held_until_the_task_ends(self, author: Author) -> None:
        task = await author.create("a", unique_key="k")
        needs = Needs(unique_keys=frozenset({"k"}))
        assert (await author.load(needs)).key_holders == {"k": "a"}
        await author.move(task, Status.CANCELLED)
        assert (await author.load(needs)).key_holders == {}

    async def test_a_key_can_pass_from_one_task_to_another_in_one_commit(
        self, author: Author
    ) -> None:
        old = await author.create("a", unique_key="k")
        new = Task(id="b", queue="q", timeout=1, unique_key="k")
        await author.commit(
            (Kind.TRANSITION, old, replace(old, status=Status.CANCELLED, end_time=1)),
            (Kind.TRANSITION, None, new),
        )
        assert (await author.load(Needs(unique_keys=frozenset({"k"})))).key_holders == {"k": "b"}

    async def test_answers_are_remembered(self, author: Author) -> None:
        answer = Remembered(b"print", Answer(ids=("a", "b"), total=7))
        await author.commit(answers={"r": answer})
        assert (await author.load(Needs(request_ids=frozenset({"r", "s"})))).answers == {
            "r": answer
        }

    async def test_the_claimable_come_by_priority_then_first_in(self, author: Author) -> None:
        await author.create("low")
        await author.create("high", priority=5)
        waiting = await author.create("delayed", status=Status.DELAYED, run_time=5)
        await author.create("second")
        await author.move(waiting, Status.QUEUED)
        await author.create("elsewhere", queue="other")
        loaded = await author.load(Needs(claims={"q": 3, "none": 3}))
        assert [task.id for task in loaded.claimable["q"]] == ["high", "low", "second"]
        assert list(loaded.claimable["none"]) == []

    async def test_the_running_are_counted_by_queue(self, author: Author) -> None:
        task = await author.create("a")
        await author.create("b")
        await author.move(task, Status.RUNNING)
        assert (await author.load(Needs(claims={"q": 1}))).running["q"] == 1

    async def test_queues_keep_their_settings(self, store: Store, author: Author) -> None:
        queue = Queue(name="q", paused=True, max_running=3, retention=9)
        await author.create("a")
        await author.commit(queues=(queue,))
        assert (await author.load(Needs(queues=frozenset({"q", "p"})))).queues == {"q": queue}
        state = await store.queue("q")
        assert state
        assert state.queue == queue


class BodiesApart(Fixtures):
    async def test_payload_and_result_are_kept_copied_and_deleted(
        self, store: Store, author: Author
    ) -> None:
        new = Task(id="a", queue="q", timeout=1)
        (task,) = await author.commit((Kind.TRANSITION, None, new), payloads={"a": b"in"})
        done = replace(task, status=Status.SUCCESS, end_time=1)
        (done,) = await author.commit((Kind.TRANSITION, task, done), results={task.seq: b"out"})
        again = Task(id="b", queue="q", timeout=1, retry_of="a", root_id="a")
        (copy,) = await author.commit((Kind.TRANSITION, None, again), copies={"b": task})
        assert await store.bodies([task.seq, copy.seq, 99]) == {
            task.seq: Bodies(b"in", b"out"),
            copy.seq: Bodies(b"in", b""),
        }
        await author.delete(done)
        assert await store.bodies([task.seq]) == {}


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
        assert (await store.counts())["y"] == {Status.DELAYED: 1}


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
        self, store: Store, author: Author, past: int
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
        for wanted in (Filter(), Filter(queues=frozenset({"q1"}))):
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

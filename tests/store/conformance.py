"""What every store must do. A driver's test file inherits these classes and gives
one fixture, ``open_store``: a function that opens the same database each time.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from store.author import Author

from idstatus_server.lifecycle import Status
from idstatus_server.model import Answer, Kind, Mark, Queue, Task, replace
from idstatus_server.store.base import Bodies, Deleted, Head, Needs, Remembered, Store, Writes

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
        assert await store.deleted(["here", "gone", "never"]) == {"gone": Deleted("q", "next")}

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

    async def test_the_queued_and_the_running_are_counted_even_if_none_is_wanted(
        self, author: Author
    ) -> None:
        task = await author.create("a")
        for name in "bc":
            await author.create(name)
        await author.move(task, Status.RUNNING)
        loaded = await author.load(Needs(claims={"q": 0, "none": 1}))
        assert (loaded.queued, loaded.running) == ({"q": 2}, {"q": 1})
        assert not any(loaded.claimable.values())

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
        bare = Task(id="c", queue="q", timeout=1)
        (bare,) = await author.commit((Kind.TRANSITION, None, bare))
        assert await store.bodies([task.seq, copy.seq, bare.seq, 99]) == {
            task.seq: Bodies(b"in", b"out"),
            copy.seq: Bodies(b"in", b""),
            bare.seq: Bodies(),
        }
        assert await store.whole_tasks(["a", "b", "c", "d"]) == {
            "a": (done, Bodies(b"in", b"out")),
            "b": (copy, Bodies(b"in", b"")),
            "c": (bare, Bodies()),
        }
        await author.delete(done)
        await author.delete(bare)
        assert await store.bodies([task.seq, bare.seq]) == {}
        assert await store.whole_tasks(["a", "c"]) == {}

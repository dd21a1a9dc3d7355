"""Whom the hub tells of a commit, and what that costs."""

from collections.abc import Callable, Sequence
from itertools import product

import pytest

from idstatus_server.model import Change, Filter, Kind, Mark, Task
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.watch import Hub
from idstatus_server.watch.feed import Delivery, Feed, Feeds, FilterSelection

MANY = 300


class Listener:
    def __init__(self, wanted: Filter) -> None:
        self.selection = FilterSelection(wanted)
        self.heard: list[Change] = []

    def push(self, delivery: Delivery) -> None:
        self.heard += delivery.changes


@pytest.fixture
def hub() -> Hub:
    return Hub(SqliteStore(":memory:"), Mark(0, 0))


def join(feeds: Feeds, filters: Sequence[Filter]) -> list[tuple[Feed, Listener]]:
    listeners = [Listener(wanted) for wanted in filters]
    return [(feeds.join(listener, listener.selection), listener) for listener in listeners]


def commit(tasks: Sequence[Task]) -> list[Change]:
    return [
        Change(revision=number, unit=number, kind=Kind.TRANSITION, task=task)
        for number, task in enumerate(tasks, 1)
    ]


def task(queue: str, labels: dict[str, str], root: str) -> Task:
    return Task(id=f"{queue}.{root}", queue=queue, timeout=1, labels=labels, root_id=root)


LABELS: list[dict[str, str]] = [{}, {"x": "1"}, {"x": "2"}, {"x": "1", "y": "1"}, {"y": "1"}]


def test_each_filter_hears_what_it_matches_and_nothing_else(hub: Hub) -> None:
    queues: tuple[str, ...] = ("", "a", "b", "ab")
    filters = [
        Filter(queues=frozenset(named), labels=labels, root_id=root)
        for named, labels, root in product(queues, LABELS, ("", "r", "s"))
    ]
    changes = commit([task(*of) for of in product("abc", LABELS, "rst")])
    feeds = Feeds(hub)
    joined = join(feeds, filters)
    hub.publish(changes)
    for _, listener in joined:
        matching = listener.selection.matches
        assert listener.heard == [change for change in changes if matching(change)]
    for feed, listener in joined:
        feeds.leave(feed, listener, listener.selection)
    hub.publish(changes)
    assert not hub._filed


@pytest.mark.parametrize(
    ("queue", "wanted"),
    [
        ("q", lambda own: Filter(root_id=own)),
        ("{}", lambda own: Filter(queues=frozenset({own}))),
        ("q", lambda own: Filter(labels={"own": own})),
        ("q", lambda own: Filter(labels={"common": "yes", "own": own, "zone": "all"})),
        ("q", lambda own: Filter(queues=frozenset({"q"}), labels={"own": own})),
        ("{}", lambda own: Filter(queues=frozenset({own}), labels={"common": "yes"})),
    ],
    ids=["root", "queue", "label", "labels", "label-in-a-queue", "queue-with-a-label"],
)
def test_of_many_filters_only_those_are_asked_that_a_change_may_concern(
    hub: Hub, queue: str, wanted: Callable[[str], Filter], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(number) for number in range(MANY)]
    joined = join(Feeds(hub), [wanted(name) for name in names])
    asked: list[Change] = []
    matches = FilterSelection.matches

    def counting(selection: FilterSelection, change: Change) -> bool:
        asked.append(change)
        return matches(selection, change)

    monkeypatch.setattr(FilterSelection, "matches", counting)
    labels = {"common": "yes", "zone": "all"}
    hub.publish(commit([task(queue.format(n), {**labels, "own": n}, n) for n in names]))
    assert all(len(listener.heard) == 1 for _, listener in joined)
    # The first are filed at what all have in common, for nobody was there yet.
    assert len(asked) <= 4 * MANY


def test_those_who_missed_the_same_of_one_filter_share_what_they_are_told(hub: Hub) -> None:
    feeds, changes = Feeds(hub), commit([task(queue, {}, "r") for queue in "aba"])
    ours, same, other = (FilterSelection(Filter(queues=frozenset(q))) for q in "aab")
    missed = feeds.missed(ours, Mark(0, 0), changes)
    assert (missed.changes, missed.mark) == ([changes[0], changes[2]], changes[2].mark)
    assert feeds.missed(same, Mark(0, 0), changes) is missed
    assert feeds.missed(other, Mark(0, 0), changes).changes == [changes[1]]
    assert feeds.missed(ours, changes[0].mark, changes[1:]).changes == [changes[2]]


def test_no_more_of_what_was_missed_is_kept_than_a_little(hub: Hub) -> None:
    feeds, changes = Feeds(hub), commit([task("a", {}, "r")] * MANY)
    selection = FilterSelection(Filter())
    for start, change in enumerate(changes):
        feeds.missed(selection, change.mark, changes[start:])
    assert len(feeds._missed) < 10

"""What watchers want to see, matched once for all who want the same."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from idstatus_server.model import Change, Filter, Kind, Mark, Task
from idstatus_server.watch.hub import Hub
from idstatus_server.watch.places import Place, choices, of_id

# How much of what was missed is kept for others who missed the same.
_MISSED = 8


class Delivery:
    """Matched changes, and the mark up to which nothing else matches.

    It is shared by all who watch the same, and so is what is ``encoded`` from it.
    """

    __slots__ = ("changes", "encoded", "mark")

    def __init__(self, changes: Sequence[Change], mark: Mark) -> None:
        self.changes = changes
        self.mark = mark
        self.encoded: dict[int, bytes] = {}


class Listener(Protocol):
    """A watcher that is up to date."""

    def push(self, delivery: Delivery) -> None:
        """Take what is new. Must return at once."""
        ...


class Selection(Protocol):
    """What a watcher wants to see."""

    def matches(self, change: Change) -> bool:
        """Tell whether it is to be shown; called once for each change, in order."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more can match."""
        ...


class FilterSelection:
    """Tasks that match a filter: also the change by which one leaves it."""

    done = False

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted

    def matches(self, change: Change) -> bool:
        """Tell whether the task matches, or did before."""
        return self.wanted.matches(change.task) or (
            change.before is not None and self.wanted.matches(change.before)
        )


class IdsSelection:
    """Named tasks and, if asked for, their retries, until all of them are terminal.

    A filter may hide some of them.
    """

    def __init__(self, ids: Sequence[str], wanted: Filter, *, retries: bool) -> None:
        self.ids = set(ids)
        self._wanted = wanted
        self._open = set(ids)
        self._retries = retries
        self.joined: Callable[[str], None] | None = None

    @property
    def done(self) -> bool:
        """Whether all of them are terminal."""
        return not self._open

    def matches(self, change: Change) -> bool:
        """Tell whether it is one of them."""
        if change.task.id not in self.ids or not self._wanted.matches(change.task):
            return False
        self.saw(change.task)
        if change.kind is Kind.DELETED:
            self._open.discard(change.task.id)
        return True

    def saw(self, task: Task) -> str | None:
        """Take note of how a task stands; return its retry if that is now one of them."""
        if not task.terminal:
            return None
        return self.gone(task.id, task.retried_by)

    def gone(self, task_id: str, retried_by: str) -> str | None:
        """Take note that a task is terminal or deleted; return its retry as ``saw`` does."""
        self._open.discard(task_id)
        if not (self._retries and retried_by) or retried_by in self.ids:
            return None
        self.ids.add(retried_by)
        self._open.add(retried_by)
        if self.joined:
            self.joined(retried_by)
        return retried_by


class Feed:
    """Matches each commit once and gives the delivery to all its listeners.

    ``places`` is where it is filed with the hub.
    """

    def __init__(self, selection: Selection, places: Collection[Place]) -> None:
        self._selection = selection
        self.places = set(places)
        self.listeners: set[Listener] = set()

    def wants(self, change: Change) -> bool:
        """Tell whether the change matches."""
        return self._selection.matches(change)

    def offer(self, changes: Sequence[Change], mark: Mark) -> None:
        """Deliver what matched."""
        delivery = Delivery(changes, mark)
        for listener in tuple(self.listeners):  # one may fall behind and leave
            listener.push(delivery)


class Feeds:
    """The feeds of a hub: one for each filter, one for each watch on ids."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._shared: dict[object, Feed] = {}
        self._missed: dict[object, Delivery] = {}

    def join(self, listener: Listener, selection: FilterSelection | IdsSelection) -> Feed:
        """Let the listener hear from now on what its selection matches."""
        if isinstance(selection, IdsSelection):
            feed = self._file(selection, [of_id(task_id) for task_id in selection.ids])
            selection.joined = lambda task_id: self._also(feed, of_id(task_id))
        else:
            key = selection.wanted.key
            feed = self._shared.get(key) or self._file(
                selection, min(choices(selection.wanted), key=self._hub.crowd)
            )
            self._shared[key] = feed
        feed.listeners.add(listener)
        return feed

    def missed(
        self, selection: FilterSelection | IdsSelection, after: Mark, changes: Sequence[Change]
    ) -> Delivery:
        """Return what matches of the changes that follow on a mark.

        After a restart many watchers of one filter have missed the same.
        """
        mark = changes[-1].mark
        if isinstance(selection, IdsSelection):
            return Delivery(list(filter(selection.matches, changes)), mark)
        key = selection.wanted.key, after, mark
        if key not in self._missed:
            if len(self._missed) == _MISSED:
                self._missed.pop(next(iter(self._missed)))
            self._missed[key] = Delivery(list(filter(selection.matches, changes)), mark)
        return self._missed[key]

    def _file(self, selection: Selection, places: Collection[Place]) -> Feed:
        feed = Feed(selection, places)
        self._hub.follow(feed, places)
        return feed

    def _also(self, feed: Feed, place: Place) -> None:
        feed.places.add(place)
        self._hub.follow(feed, (place,))

    def leave(
        self, feed: Feed, listener: Listener, selection: FilterSelection | IdsSelection
    ) -> None:
        """Let the listener hear no more; a feed without listeners goes."""
        feed.listeners.discard(listener)
        if feed.listeners:
            return
        self._hub.leave(feed, feed.places)
        if isinstance(selection, IdsSelection):
            selection.joined = None
        else:
            self._shared.pop(selection.wanted.key, None)

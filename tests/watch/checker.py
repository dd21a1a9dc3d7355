"""The watch contract as rules: each is a function that says where a watch breaks it.

A watch is a list of messages, perhaps stitched together from many streams. The
rules hold it against the truth of the store; none of them looks into a token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from watch.truth import SNAPSHOT, UPDATE, Entry, Said, Truth, Violation, Wanted

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

Messages = Sequence[pb.WatchTasksResponse]


@dataclass(frozen=True)
class Watched:
    """One watch: its messages, what it asked for, and up to where it must have come.

    ``start`` is the revision from which it began without a snapshot, None with one, and
    ``token`` the one from which it began. ``units`` are the revisions that were committed
    together, besides tasks and their retries. ``joins`` are the numbers of the messages with
    which a resumed stream begins.
    """

    messages: Messages
    truth: Truth
    wanted: Wanted = field(default_factory=Wanted)
    until: int = 0
    start: int | None = None
    token: str = ""
    units: Sequence[frozenset[int]] = ()
    joins: Sequence[int] = ()

    @property
    def snapshot(self) -> list[pb.TaskChange]:
        """The state that it began with."""
        return [c for m in self.messages for c in m.changes if c.type == SNAPSHOT]

    @property
    def live(self) -> list[pb.TaskChange]:
        """The changes that followed."""
        return [c for m in self.messages for c in m.changes if c.type != SNAPSHOT]

    @property
    def base(self) -> int:
        """The revision R of the snapshot: what came next came right after it.

        No token says it. But a change that is meant follows R at once, so R is just before
        the first one shown; whatever is wrong around it is then wrong in the snapshot.
        """
        if self.start is not None:
            return self.start
        first = self.live[0].id_status.revision if self.live else self.until + 1
        return max(first - 1, self._newest_in_snapshot)

    @property
    def _newest_in_snapshot(self) -> int:
        return max((c.id_status.revision for c in self.snapshot), default=0)


def check(watched: Watched) -> list[Violation]:
    """Return every breach of every rule."""
    return [breach for rule in RULES for breach in rule(watched)]


def ordered(watched: Watched) -> Iterator[Violation]:
    """Changes come in the order of their revisions."""
    revisions = [change.id_status.revision for change in watched.live]
    for one, next_one in pairwise(revisions):
        if next_one < one:
            yield Violation("Ordered", f"{next_one} came after {one}")


def unique(watched: Watched) -> Iterator[Violation]:
    """No change comes twice, and no task is twice in the snapshot."""
    seen: set[object] = set()
    for change in (*watched.snapshot, *watched.live):
        key = change.id_status.id if change.type == SNAPSHOT else change.id_status.revision
        if key in seen:
            yield Violation("Unique", f"{key} came twice")
        seen.add(key)
    if watched.live and watched.live[0].id_status.revision <= watched.base:
        yield Violation("Unique", f"the state at {watched.base} is followed by what it holds")


def reliable(watched: Watched) -> Iterator[Violation]:
    """Every change that is meant is delivered; only progress may be merged away.

    Where one is missing tells more: a rule of its own is broken if it is the change by which
    a task leaves a filter, or if the stream was resumed there, from a bookmark or not.
    """
    shown = {change.id_status.revision for change in watched.live}
    newest = {change.id_status.id: change.id_status.revision for change in watched.live}
    for entry in watched.truth.shown(watched.wanted, watched.base):
        if entry.revision > watched.until:
            return
        merged = _is_progress(entry) and newest.get(entry.task.id, 0) > entry.revision
        if entry.revision not in shown and not merged:
            rule = _lost_at_a_join(watched, entry.revision)
            if not rule:
                rule = "Reliable" if watched.wanted.matches(entry.task) else "Filterable"
            yield Violation(rule, f"revision {entry.revision} of {entry.task.id} is missing")


def _lost_at_a_join(watched: Watched, revision: int) -> str:
    """Name the rule that is broken if the streams on both sides of a join leave it out."""
    last = next_one = 0
    for i, message in enumerate(watched.messages):
        revisions = [c.id_status.revision for c in message.changes if c.type != SNAPSHOT]
        if revisions and max(revisions) > revision:
            next_one = i
            break
        last = i if revisions else last
    for join in watched.joins:
        if last < join <= next_one:
            before = watched.messages[join - 1]
            is_bookmark = not before.changes and not before.snapshot_complete
            return "Bookmarkable" if is_bookmark else "Resumable"
    return ""


def filterable(watched: Watched) -> Iterator[Violation]:
    """Nothing is delivered that was not asked for."""
    for change in watched.live:
        entry = watched.truth.by_revision.get(change.id_status.revision)
        if entry and not watched.wanted.shows(entry):
            yield Violation("Filterable", f"revision {entry.revision} is not meant")


def faithful(watched: Watched) -> Iterator[Violation]:
    """Each change says what happened."""
    for change in watched.live:
        entry = watched.truth.by_revision.get(change.id_status.revision)
        if entry is None:
            if change.id_status.revision <= watched.truth.head:
                yield Violation("Faithful", f"{change.id_status.revision} never was")
            continue
        before = entry.before.status if entry.before else task_pb2.STATUS_UNSPECIFIED
        said = (change.type, change.previous_status)
        if said != (entry.type, before) or not same(change.id_status, entry.task):
            yield Violation("Faithful", f"{entry.revision} says {said}, not {(entry.type, before)}")


def consistent(watched: Watched) -> Iterator[Violation]:
    """The snapshot is the state at one revision."""
    if watched.start is not None:
        return
    at_base = {
        task_id: entry.task
        for task_id, entry in watched.truth.state_at(watched.base).items()
        if watched.wanted.matches(entry.task)
    }
    shown = {change.id_status.id: change.id_status for change in watched.snapshot}
    for task_id in at_base.keys() ^ shown.keys():
        verb = "lacks" if task_id in at_base else "should not have"
        yield Violation("Snapshot", f"at {watched.base} it {verb} {task_id}")
    for task_id in at_base.keys() & shown.keys():
        if not same(shown[task_id], at_base[task_id]):
            yield Violation("Snapshot", f"at {watched.base} {task_id} stood otherwise")


def phased(watched: Watched) -> Iterator[Violation]:
    """The snapshot comes first, is completed once, and does not come again."""
    completed = sum(message.snapshot_complete for message in watched.messages)
    if completed != (watched.start is None):
        yield Violation("Phased", f"the snapshot was completed {completed} times")
    over = watched.start is not None
    for message in watched.messages:
        for change in message.changes:
            if (change.type == SNAPSHOT) == over:
                yield Violation("Phased", f"{change.id_status.id} came in the wrong phase")
        over = over or message.snapshot_complete


def tokened(watched: Watched) -> Iterator[Violation]:
    """Every message has a token."""
    for i, message in enumerate(watched.messages):
        if not message.resume_token:
            yield Violation("Tokened", f"message {i} has no token")


def atomic(watched: Watched) -> Iterator[Violation]:
    """What was committed together is never seen in part at a token that has moved."""
    place = {
        change.id_status.revision: i
        for i, message in enumerate(watched.messages)
        for change in message.changes
        if change.type != SNAPSHOT
    }
    tokens = [watched.token, *(message.resume_token for message in watched.messages)]
    for unit in (*watched.truth.pairs(), *watched.units):
        places = [place[revision] for revision in unit if revision in place]
        if not places:
            continue
        first, last = min(places), max(places)
        if any(token != tokens[first] for token in tokens[first + 1 : last + 1]):
            yield Violation("Atomic", f"{sorted(unit)} is split by a token")


RULES = (
    tokened,
    phased,
    ordered,
    unique,
    reliable,
    filterable,
    faithful,
    consistent,
    atomic,
)


def resumable(segments: Sequence[Messages]) -> list[Violation]:
    """Later streams of one watch bring no other snapshot."""
    complete, found = False, []
    for i, segment in enumerate(segments):
        again = any(
            message.snapshot_complete or change.type == SNAPSHOT
            for message in segment
            for change in message.changes or (pb.TaskChange(),)
        )
        if complete and again:
            found.append(Violation("Resumable", f"stream {i} begins with another snapshot"))
        complete = complete or any(message.snapshot_complete for message in segment)
    return found


def bookmarkable(times: Sequence[float], interval: float, slack: float) -> list[Violation]:
    """There is a message at least every interval."""
    gaps = [after - before for before, after in pairwise(times)]
    return [
        Violation("Bookmarkable", f"nothing came for {gap:.2f} s")
        for gap in gaps
        if gap > interval + slack
    ]


def stitch(segments: Sequence[Messages]) -> list[pb.WatchTasksResponse]:
    """Put the streams of one watch together, each resumed from the last token of the one before.

    A message that does not move the token is a part of what comes again.
    """
    return _stitched(segments)[0]


def joins(segments: Sequence[Messages]) -> list[int]:
    """Return with which messages of the stitched whole its later streams begin."""
    return _stitched(segments)[1]


def _stitched(segments: Sequence[Messages]) -> tuple[list[pb.WatchTasksResponse], list[int]]:
    whole: list[pb.WatchTasksResponse] = []
    begun: list[int] = []
    for segment in segments:
        whole = settled(whole)
        begun += [len(whole)] if whole and segment else []
        whole += segment
    return whole, begun


def settled(messages: Messages) -> list[pb.WatchTasksResponse]:
    """Return the messages up to the one that brought the last token."""
    kept = list(messages)
    while len(kept) > 1 and kept[-2].resume_token == kept[-1].resume_token:
        kept.pop()
    return kept


def same(said: Said, task: task_pb2.Task) -> bool:
    """Tell whether a task was told of as it stood."""
    return (said.id, said.status, said.reason, said.execution, said.revision) == (
        task.id,
        task.status,
        task.reason,
        task.execution,
        task.revision,
    ) and said.update_time == task.update_time


def _is_progress(entry: Entry) -> bool:
    """Tell whether nothing but the progress changed."""
    if entry.type != UPDATE or entry.before is None:
        return False
    before, after = task_pb2.Task(), task_pb2.Task()
    before.CopyFrom(entry.before)
    after.CopyFrom(entry.task)
    for task in (before, after):
        for name in ("progress", "revision", "update_time", "lease_expire_time"):
            task.ClearField(name)
    return before == after

"""Each rule of the checker can fail: doctored histories, and who complains."""

from collections.abc import Callable

import pytest
from watch.checker import Watched, bookmarkable, check, resumable, settled, stitch
from watch.following import Goal
from watch.sites import Reading
from watch.truth import DELETED, SNAPSHOT, TRANSITION, UPDATE, Truth, Wanted

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

QUEUED, RUNNING = task_pb2.STATUS_QUEUED, task_pb2.STATUS_RUNNING
ERROR, SUCCESS = task_pb2.STATUS_ERROR, task_pb2.STATUS_SUCCESS
Messages = list[pb.WatchTasksResponse]


class Book:
    """Writes a history: what was changed, and the changes as a full watch shows them."""

    def __init__(self) -> None:
        self.changes: list[pb.TaskChange] = []
        self._tasks: dict[str, task_pb2.Task] = {}

    def write(self, task_id: str, status: int, **fields: object) -> None:
        before = self._tasks.get(task_id)
        task = task_pb2.Task()
        if before:
            task.CopyFrom(before)
        task.MergeFrom(task_pb2.Task(**fields))  # type: ignore[arg-type]
        task.id, task.revision = task_id, len(self.changes) + 1
        task.status = task_pb2.Status.ValueType(status)
        old = before.status if before else task_pb2.STATUS_UNSPECIFIED
        kind = UPDATE if old == status else TRANSITION
        if kind == TRANSITION:
            step = {"revision": task.revision, "from": old, "to": status}
            task.transitions.add(**step)
        self._add(kind, task, old)

    def delete(self, task_id: str) -> None:
        task = task_pb2.Task()
        task.CopyFrom(self._tasks[task_id])
        task.revision = len(self.changes) + 1
        self._add(DELETED, task, task.status)

    def _add(self, kind: pb.TaskChange.Type.ValueType, task: task_pb2.Task, old: int) -> None:
        self._tasks[task.id] = task
        said = status_of(task)
        self.changes.append(
            pb.TaskChange(
                type=kind,
                id_status=said,
                previous_status=task_pb2.Status.ValueType(old),
                task=task,
            )
        )


def status_of(task: task_pb2.Task) -> task_pb2.IdStatus:
    return task_pb2.IdStatus.FromString(task.SerializeToString())


def tell(*changes: pb.TaskChange, at: str = "", complete: bool = False) -> pb.WatchTasksResponse:
    last = max((change.id_status.revision for change in changes), default=0)
    return pb.WatchTasksResponse(
        changes=changes, resume_token=at or f"t{last}", snapshot_complete=complete
    )


@pytest.fixture
def truth() -> Truth:
    """Two tasks; the first fails at 4 and is retried in the same breath, at 5."""
    book = Book()
    book.write("a", QUEUED, queue="q")
    book.write("b", QUEUED, queue="q")
    book.write("a", RUNNING)
    book.write("a", ERROR, retried_by="c")
    book.write("c", QUEUED, queue="q", retry_of="a")
    book.write("b", RUNNING)
    book.write("b", RUNNING, progress=task_pb2.Progress(fraction=0.5))
    book.write("b", SUCCESS)
    book.delete("b")
    return Truth(book.changes)


@pytest.fixture
def messages(truth: Truth) -> Messages:
    """A watch without fault: the state at 2, then the rest; 4 and 5 in one message."""
    state = [snapshot(truth, revision) for revision in (1, 2)]
    return [
        tell(*state, complete=True),
        *(tell(live(truth, 3)),),
        tell(live(truth, 4), live(truth, 5)),
        *(tell(live(truth, revision)) for revision in (6, 7, 8, 9)),
    ]


def live(truth: Truth, revision: int) -> pb.TaskChange:
    entry = truth.by_revision[revision]
    change = pb.TaskChange(
        type=pb.TaskChange.Type.ValueType(entry.type), id_status=status_of(entry.task)
    )
    change.previous_status = entry.before.status if entry.before else task_pb2.STATUS_UNSPECIFIED
    return change


def snapshot(truth: Truth, revision: int) -> pb.TaskChange:
    return pb.TaskChange(type=SNAPSHOT, id_status=status_of(truth.by_revision[revision].task))


def rules(messages: Messages, truth: Truth, wanted: Wanted | None = None) -> set[str]:
    watched = Watched(messages, truth, wanted or Wanted(), truth.head)
    return {breach.rule for breach in check(watched)}


def test_a_faultless_watch_breaks_no_rule(messages: Messages, truth: Truth) -> None:
    assert rules(messages, truth) == set()
    assert truth.faults() == []


def skip(messages: Messages, _: Truth) -> None:
    del messages[3]


def repeat(messages: Messages, _: Truth) -> None:
    messages.insert(4, messages[3])


def swap(messages: Messages, _: Truth) -> None:
    messages[3], messages[4] = messages[4], messages[3]


def split(messages: Messages, truth: Truth) -> None:
    messages[2:3] = [tell(live(truth, 4)), tell(live(truth, 5))]


def forget_token(messages: Messages, _: Truth) -> None:
    messages[3].resume_token = ""


def lie_about_the_status(messages: Messages, _: Truth) -> None:
    messages[3].changes[0].id_status.status = SUCCESS


def lie_about_the_status_before(messages: Messages, _: Truth) -> None:
    messages[3].changes[0].previous_status = ERROR


def invent(messages: Messages, _: Truth) -> None:
    del messages[5].changes[0]
    messages[5].changes.add(type=UPDATE, id_status={"id": "b", "revision": 0})


def skip_right_after_the_snapshot(messages: Messages, _: Truth) -> None:
    del messages[1]


def overlap(messages: Messages, truth: Truth) -> None:
    messages.insert(1, tell(live(truth, 2), at="t2"))


def lose_a_task_of_the_snapshot(messages: Messages, _: Truth) -> None:
    del messages[0].changes[0]


def make_the_snapshot_newer(messages: Messages, truth: Truth) -> None:
    messages[0].changes[0].CopyFrom(snapshot(truth, 3))


def never_complete(messages: Messages, _: Truth) -> None:
    messages[0].snapshot_complete = False


def start_anew(messages: Messages, _: Truth) -> None:
    messages.insert(3, messages[0])


@pytest.mark.parametrize(
    ("doctor", "rule"),
    [
        (skip, "Reliable"),
        (repeat, "Unique"),
        (swap, "Ordered"),
        (split, "Atomic"),
        (forget_token, "Tokened"),
        (lie_about_the_status, "Faithful"),
        (lie_about_the_status_before, "Faithful"),
        (invent, "Faithful"),
        (skip_right_after_the_snapshot, "Snapshot"),
        (overlap, "Unique"),
        (lose_a_task_of_the_snapshot, "Snapshot"),
        (make_the_snapshot_newer, "Unique"),
        (never_complete, "Phased"),
        (start_anew, "Phased"),
    ],
)
def test_a_doctored_watch_breaks_its_rule(
    messages: Messages,
    truth: Truth,
    doctor: Callable[[Messages, Truth], None],
    rule: str,
) -> None:
    doctor(messages, truth)
    assert rule in rules(messages, truth)


def test_merging_progress_away_breaks_no_rule(messages: Messages, truth: Truth) -> None:
    del messages[4]
    assert rules(messages, truth) == set()


def test_parts_that_do_not_move_the_token_are_not_a_split(messages: Messages, truth: Truth) -> None:
    messages[2:3] = [tell(live(truth, 4), at="t3"), tell(live(truth, 5))]
    assert rules(messages, truth) == set()


def filtered(truth: Truth) -> tuple[Messages, Wanted]:
    """A watch on queued tasks: the state at 2, and by which change each one leaves."""
    wanted = Wanted(filter=task_pb2.TaskFilter(statuses=[QUEUED]))
    first = tell(snapshot(truth, 1), snapshot(truth, 2), complete=True)
    return [first, *(tell(live(truth, revision)) for revision in (3, 5, 6))], wanted


def test_a_filtered_watch_without_fault_breaks_no_rule(truth: Truth) -> None:
    assert rules(*reversed_arguments(filtered(truth), truth)) == set()


def test_hiding_the_change_by_which_a_task_leaves_breaks_filterable(truth: Truth) -> None:
    messages, wanted = filtered(truth)
    del messages[3]
    assert rules(messages, truth, wanted) == {"Filterable"}


def test_showing_what_was_not_asked_for_breaks_filterable(truth: Truth) -> None:
    messages, wanted = filtered(truth)
    messages.append(tell(live(truth, 8)))
    assert rules(messages, truth, wanted) == {"Filterable"}


def reversed_arguments(
    watch: tuple[Messages, Wanted], truth: Truth
) -> tuple[Messages, Truth, Wanted]:
    return watch[0], truth, watch[1]


def test_a_second_snapshot_after_a_resumption_breaks_resumable(messages: Messages) -> None:
    assert resumable([messages[:3], messages[3:]]) == []
    assert resumable([messages[:1], messages]) != []


def test_silence_for_longer_than_the_interval_breaks_bookmarkable() -> None:
    assert bookmarkable([0.0, 1.1, 2.2], interval=1, slack=0.5) == []
    assert [v.rule for v in bookmarkable([0.0, 1.1, 3.2], interval=1, slack=0.5)] == [
        "Bookmarkable"
    ]


def test_stitching_drops_the_parts_that_come_again(messages: Messages, truth: Truth) -> None:
    part = tell(live(truth, 4), at="t3")
    assert settled([*messages[:2], part]) == messages[:2]
    assert stitch([[*messages[:2], part], messages[2:]]) == messages


def test_a_hole_in_the_log_breaks_dense(truth: Truth) -> None:
    assert "Dense" in faults(truth, lambda changes: changes.pop(4))


def test_a_log_that_moves_a_terminal_status_breaks_terminal() -> None:
    book = Book()
    book.write("a", SUCCESS)
    book.write("a", ERROR)
    assert {fault.rule for fault in Truth(book.changes).faults()} == {"Terminal"}


def test_a_task_with_other_transitions_than_the_log_breaks_reliable(truth: Truth) -> None:
    tasks = [entry.task for entry in truth.state_at(truth.head).values()]
    assert truth.faults(tasks) == []
    changed = task_pb2.Task()
    changed.CopyFrom(tasks[0])
    changed.transitions.add(revision=99)
    assert {f.rule for f in truth.faults([changed, *tasks[1:]])} == {"Reliable"}
    assert {f.rule for f in truth.faults(tasks[1:])} == {"Reliable"}


def faults(truth: Truth, doctor: Callable[[list[pb.TaskChange]], object]) -> set[str]:
    changes = []
    for entry in truth.entries:
        change = live(truth, entry.revision)
        change.task.CopyFrom(entry.task)
        changes.append(change)
    doctor(changes)
    return {fault.rule for fault in Truth(changes).faults()}


def test_bookmarks_of_long_ago_do_not_end_a_slow_reading(messages: Messages, truth: Truth) -> None:
    goal, reading = Goal(Wanted()), Reading(pb.WatchTasksRequest())
    goal.set(truth)
    old = [tell(at="t2"), tell(at="t2")]
    reached = []
    for message in [messages[0], *old, *messages[1:]]:
        reading.take(message)
        reached.append(goal.reached(reading))
    assert reached == [False] * (len(reached) - 1) + [True]

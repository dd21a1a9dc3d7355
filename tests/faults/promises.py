"""What holds after any fault: kept, run at most once, created once."""

from collections import Counter
from collections.abc import Sequence

from watch.truth import DELETED, TRANSITION, Truth
from watch.workload import Workload

from idstatus.v1 import task_pb2


def assert_kept(truth: Truth, work: Workload) -> None:
    """Every acknowledged change is in the log under its revision, as it was acknowledged."""
    for ack in work.acks:
        entry = truth.by_revision[ack.revision]
        assert (entry.task.id, entry.task.status) == (ack.id, ack.status)
    gone = {entry.task.id for entry in truth.entries if entry.type == DELETED}
    assert work.deleted <= gone
    assert not work.deleted & truth.state_at(truth.head).keys()


def assert_ran_at_most_once(truth: Truth, claims: Counter[str]) -> None:
    """No id was handed out twice, neither by what runners got nor by what the log says."""
    assert [task_id for task_id, times in claims.items() if times > 1] == []
    ran = Counter(
        entry.task.id
        for entry in truth.entries
        if entry.type == TRANSITION and entry.task.status == task_pb2.STATUS_RUNNING
    )
    assert [task_id for task_id, times in ran.items() if times > 1] == []
    assert claims.keys() <= ran.keys()


def assert_created_once(truth: Truth, requests: Sequence[str]) -> None:
    """A creation that was repeated with its request id has made one task."""
    made = Counter(
        entry.task.labels["request"]
        for entry in truth.entries
        if entry.before is None and not entry.task.retry_of and "request" in entry.task.labels
    )
    assert set(requests) <= made.keys()
    assert [request for request, times in made.items() if times > 1] == []

from collections.abc import Iterator
from itertools import chain

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from idstatus.models.change import ChangeBatch
from idstatus.v1 import task_pb2, task_service_pb2
from idstatus.v1.task_service_pb2 import WatchTasksResponse
from idstatus.watch.units import Units


def message(token: str, *revisions: int, snapshot_complete: bool = False) -> WatchTasksResponse:
    changes = [
        task_service_pb2.TaskChange(
            type=task_service_pb2.TaskChange.TYPE_TRANSITION,
            id_status=task_pb2.IdStatus(
                id="a",
                status=task_pb2.STATUS_QUEUED,
                execution=task_pb2.EXECUTION_NOT_STARTED,
                revision=revision,
                update_time=Timestamp(),
            ),
        )
        for revision in revisions
    ]
    return WatchTasksResponse(
        changes=changes, snapshot_complete=snapshot_complete, resume_token=token
    )


def revisions(batch: ChangeBatch | None) -> list[int]:
    assert batch is not None
    return [change.id_status.revision for change in batch.changes]


def test_a_message_that_moves_the_token_is_released_at_once() -> None:
    units = Units("")
    assert revisions(units.add(message("t1", 1, 2))) == [1, 2]
    assert units.token.endswith("1")


def test_what_was_committed_together_is_released_together() -> None:
    units = Units("t1")
    assert units.add(message("t1", 2)) is None
    assert units.add(message("t1", 3)) is None
    assert revisions(units.add(message("t4", 4))) == [2, 3, 4]


def test_a_bookmark_is_an_empty_batch_with_a_new_token() -> None:
    batch = Units("t1").add(message("t2"))
    assert batch is not None
    assert (batch.changes, batch.snapshot_complete, batch.resume_token) == ((), False, "t2")


def test_a_bookmark_that_moves_nothing_tells_nothing() -> None:
    assert Units("t1").add(message("t1")) is None


def test_the_end_of_the_snapshot_is_told_once() -> None:
    units = Units("")
    first, second = units.add(message("t1", snapshot_complete=True)), units.add(message("t2", 2))
    assert first is not None
    assert second is not None
    assert (first.snapshot_complete, second.snapshot_complete) == (True, False)


def test_what_is_held_when_the_stream_breaks_is_dropped_and_comes_again() -> None:
    units = Units("t1")
    units.add(message("t1", 2))
    units.drop()
    assert units.token.endswith("1")
    assert units.add(message("t1", 2)) is None
    assert revisions(units.add(message("t3", 3))) == [2, 3]


@given(
    sizes=st.lists(st.integers(1, 5), max_size=8),
    breaks=st.lists(st.integers(0, 6), max_size=10),
    data=st.data(),
)
def test_wherever_streams_break_every_change_comes_once_and_units_stay_whole(
    sizes: list[int], breaks: list[int], data: st.DataObject
) -> None:
    def stream(token: str) -> Iterator[WatchTasksResponse]:
        """What a server sends that knows the units 1, 2, ... with so many changes each."""
        done = int(token or "0")
        revision = sum(sizes[:done])
        for unit, size in enumerate(sizes[done:], start=done + 1):
            left = size
            while left:
                part = data.draw(st.integers(1, left))
                left -= part
                numbers = range(revision + 1, revision + part + 1)
                revision += part
                yield message(str(unit if not left else unit - 1), *numbers)

    units = Units("0")
    released: list[list[int]] = []
    for messages_before_the_break in [*breaks, 1_000]:
        units.drop()
        for number, sent in enumerate(stream(units.token)):
            if number == messages_before_the_break:
                break
            if (batch := units.add(sent)) is not None:
                released.append(revisions(batch))

    assert [len(unit) for unit in released] == sizes
    assert list(chain(*released)) == list(range(1, sum(sizes) + 1))

"""What `top` knows, and what is selected of it."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

from idstatus import Change, ChangeType, Execution, Status, Task
from idstatus.cli.top.board import Board, Frame
from idstatus.cli.top.view import Cursor, Pane, heights

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def task(name: str, status: Status, revision: int, **fields: Any) -> Task:
    plain = Task(
        id=name,
        status=status,
        reason=None,
        execution=Execution.MAY_BE_RUNNING,
        revision=revision,
        update_time=NOW,
    )
    return dataclasses.replace(plain, **fields)


def change(after: Task, before: Status | None, kind: ChangeType = ChangeType.TRANSITION) -> Change:
    return Change(type=kind, id_status=after, previous_status=before, task=after)


def test_what_was_seen_is_not_undone_by_a_change_from_before() -> None:
    board = Board()
    running = task("a", Status.RUNNING, 5)
    board.begin(Frame([], [running], []))
    board.apply([change(task("a", Status.QUEUED, 4), None)])
    assert board.frame().running == [running]


def test_a_failure_is_shown_as_it_changes_until_it_is_deleted() -> None:
    board = Board()
    failed = task("a", Status.ERROR, 6)
    board.apply([change(task("a", Status.RUNNING, 5), Status.QUEUED)])
    board.apply([change(failed, Status.RUNNING)])
    assert (board.frame().running, board.frame().failures) == ([], [failed])
    retried = task("a", Status.ERROR, 7, retried_by="b")
    board.apply([change(retried, Status.ERROR, ChangeType.UPDATE)])
    assert board.frame().failures == [retried]
    board.apply([change(task("a", Status.ERROR, 8), Status.ERROR, ChangeType.DELETED)])
    assert board.frame().failures == []


def test_only_the_newest_failures_are_remembered() -> None:
    board = Board()
    failures = [task(f"t{number}", Status.ERROR, number) for number in range(1, 61)]
    board.apply(change(failure, Status.RUNNING) for failure in failures)
    assert board.frame().failures == failures[:9:-1]


def test_creations_and_ends_are_counted() -> None:
    board = Board()
    board.apply([change(task("a", Status.QUEUED, 1), None)])
    board.apply([change(task("a", Status.RUNNING, 2), Status.QUEUED)])
    assert (board.created.per_second(), board.finished.per_second()) == (1.0, 0.0)
    board.apply([change(task("a", Status.SUCCESS, 3), Status.RUNNING)])
    assert board.finished.per_second() == 1.0


def test_the_cursor_stays_on_its_task_whatever_comes_before_it() -> None:
    tasks = [task(name, Status.RUNNING, 1) for name in "abc"]
    cursor = Cursor(Pane.RUNNING)
    cursor.move(Frame([], tasks[1:], []), 1)
    assert cursor.selected(Frame([], tasks, [])) == "c"
    cursor.move(Frame([], tasks, []), 5)
    assert cursor.selected(Frame([], tasks[:2], [])) == "a"  # c is gone
    assert Cursor(Pane.QUEUES).selected(Frame([], tasks, [])) == ""


def test_a_small_screen_has_room_for_each_pane() -> None:
    many = [task(str(number), Status.ERROR, 1) for number in range(50)]
    shared = heights(Frame([], many, many), 24)
    assert shared == {Pane.QUEUES: 0, Pane.RUNNING: 10, Pane.FAILURES: 4}

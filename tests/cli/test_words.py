import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idstatus import (
    Execution,
    Failure,
    LateReport,
    Progress,
    RetryPolicy,
    Status,
    Stopped,
    Success,
    Task,
)
from idstatus.cli import data, output, words
from idstatus.cli.details import details

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def some_task(**fields: Any) -> Task:
    task = Task(
        id="a",
        status=Status.RUNNING,
        reason=None,
        execution=Execution.MAY_BE_RUNNING,
        revision=1,
        update_time=NOW,
        queue="jobs",
    )
    return dataclasses.replace(task, **fields)


def test_json_says_what_is_set_under_the_names_of_the_package() -> None:
    report = LateReport(time=NOW, outcome=Failure(signal=9))
    task = some_task(
        status=Status.ERROR,
        execution=Execution.ENDED,
        payload=b"\xff",
        result=b"text",
        timeout=timedelta(seconds=1.5),
        labels={"b": "c"},
        late_report=report,
    )
    assert data.plain(task) == {
        "id": "a",
        "status": "error",
        "execution": "ended",
        "revision": 1,
        "update_time": "2026-01-02T03:04:05Z",
        "queue": "jobs",
        "priority": 0,
        "payload_base64": "/w==",
        "result": "text",
        "timeout": 1.5,
        "labels": {"b": "c"},
        "retries_left": 0,
        "retry_number": 0,
        "late_report": {
            "time": "2026-01-02T03:04:05Z",
            "outcome": {"error": {"reason": "bad_exit", "signal": 9}},
        },
    }


def test_what_could_move_the_cursor_is_replaced() -> None:
    assert output.one_line("a\x1b[2J\r\n\tb\x9b\u202ec") == "a\ufffd[2J b\ufffd\ufffdc"
    assert output.clean("é ☃ 漢\n") == "é ☃ 漢\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "250ms"), (59.9, "59s"), (90, "1m"), (7200, "2h"), (200_000, "2d"), (-1, "0ms")],
)
def test_lengths_are_said_in_their_largest_unit(seconds: float, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


def test_signals_are_called_by_their_names() -> None:
    assert (words.signal_name(9), words.signal_name(99)) == ("SIGKILL", "signal 99")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"runner": "box-7"}, "on box-7"),
        ({"progress": Progress(fraction=0.4, message="half\nway")}, "40% half way"),
        ({"status": Status.CANCELLED}, "its runner may still be at work"),
        ({"status": Status.ERROR, "execution": Execution.ENDED, "exit_code": 3}, "exit status 3"),
        (
            {"status": Status.SUCCESS, "execution": Execution.ENDED, "retried_by": "b"},
            "retried by b",
        ),
        (
            {
                "status": Status.CANCELLED,
                "execution": Execution.ENDED,
                "late_report": LateReport(time=NOW, outcome=Success()),
            },
            "late report: success",
        ),
        (
            {
                "status": Status.CANCELLED,
                "execution": Execution.ENDED,
                "late_report": LateReport(time=NOW, outcome=Stopped()),
            },
            "",
        ),
    ],
)
def test_the_story_of_a_task(fields: dict[str, Any], said: str) -> None:
    assert words.story(some_task(**fields)) == said


def test_the_details_of_a_task_do_not_flood_the_terminal() -> None:
    task = some_task(
        payload=b"x" * 1000,
        result=b"line\n" * 1000,
        retry_policy=RetryPolicy(max_retries=3),
        retries_left=2,
        progress=Progress(fraction=1.0),
    )
    shown = [line.plain for line in details(task)]
    assert len(shown) < 40
    assert "retries     2 of 3 left" in shown
    assert "progress    100%" in shown
    assert any(line.endswith("1000 bytes in all") for line in shown)
    assert shown[-1].strip() == "and 980 lines more"

"""How a batch of changes is divided into messages."""

import pytest

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.watching import Parts


def unit(changes: int, size: int) -> list[t.TaskChange]:
    return [t.TaskChange(task=m.Task(payload=b"p" * size)) for _ in range(changes)]


def divide(*units: tuple[int, int]) -> list[tuple[int, str]]:
    """Return (number of changes, token) of each message for units of (changes, size)."""
    parts = Parts("t0")
    messages: list[bytes] = []
    for number, (changes, size) in enumerate(units, 1):
        messages += parts.add(unit(changes, size), f"t{number}")
    messages.append(parts.rest(f"t{len(units)}", snapshot_complete=False))
    decoded = [t.WatchTasksResponse.FromString(message) for message in messages]
    assert all(message.ByteSize() < 4 << 20 for message in decoded)
    return [(len(message.changes), message.resume_token) for message in decoded]


HALF = MAX_ANSWER // 2 - 100


@pytest.mark.parametrize(
    ("units", "messages"),
    [
        ([], [(0, "t0")]),
        ([(3, 10)], [(3, "t1")]),
        ([(1, HALF), (1, HALF)], [(2, "t2")]),
        ([(1, HALF), (1, HALF), (1, HALF)], [(2, "t2"), (1, "t3")]),
        # a unit that no longer fits is not begun in the message before
        ([(1, 500), (2, HALF), (1, 10)], [(1, "t1"), (3, "t3")]),
        # one that is too big for any message: only its last part moves the token
        ([(1, 10), (5, HALF), (1, 10)], [(1, "t1"), (2, "t1"), (2, "t1"), (2, "t3")]),
        ([(5, HALF)], [(2, "t0"), (2, "t0"), (1, "t1")]),
    ],
)
def test_units_are_torn_only_if_they_must_be_and_then_hold_the_token_back(
    units: list[tuple[int, int]], messages: list[tuple[int, str]]
) -> None:
    assert divide(*units) == messages

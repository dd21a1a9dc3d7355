"""The machine: what may become of a task.

Law: a terminal status never changes, and an illegal event changes nothing. The
rules are one table; nothing else in the server knows them. Standard library
only, no I/O, no clock.

                  due             claim             succeed
    (create) DELAYED --> QUEUED ------> RUNNING ------------> SUCCESS
       |                   ^               |  fail, expire --> ERROR
       +-------------------+               |
    cancel: from DELAYED, QUEUED, RUNNING  +------ cancel --> CANCELLED
    retry: from a terminal status, which stays; it creates a new task
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from functools import cache
from types import MappingProxyType
from typing import NamedTuple


class Number(IntEnum):
    """A number with a name. An enum's own hash is Python code, called for every look-up."""

    __hash__ = int.__hash__


class Status(Number):
    """Where a task stands. The numbers are those of the schema and the store."""

    DELAYED = 1
    QUEUED = 2
    RUNNING = 3
    SUCCESS = 4
    ERROR = 5
    CANCELLED = 6


class Reason(Number):
    """Why a task is in ERROR or CANCELLED; NONE in every other status."""

    NONE = 0
    TIMEOUT = 1
    KILLED = 2
    BAD_EXIT = 3
    CLIENT_REQUEST = 4


class Execution(Number):
    """What is known of a task's execution."""

    NOT_STARTED = 1
    MAY_BE_RUNNING = 2
    ENDED = 3


class Event(Enum):
    """What can happen to a task."""

    __hash__ = object.__hash__

    CREATE = "create"
    CREATE_DELAYED = "create delayed"
    DUE = "due"
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RETRY = "retry"


class State(NamedTuple):
    """The part of a task that the machine moves."""

    status: Status
    reason: Reason = Reason.NONE
    execution: Execution = Execution.NOT_STARTED


class IllegalEventError(Exception):
    """The event is not in the table for this state; nothing has changed."""

    def __init__(self, state: State | None, event: Event) -> None:
        where = state.status.name if state else "a task that does not exist"
        super().__init__(f"{event.value} is not possible from {where}")
        self.state, self.event = state, event


class Rule(NamedTuple):
    """What an event does. A field that is None leaves the state's own as it is."""

    sources: frozenset[Status | None]
    target: Status | None
    reasons: frozenset[Reason] = frozenset({Reason.NONE})
    execution: Execution | None = None


TERMINAL = frozenset({Status.SUCCESS, Status.ERROR, Status.CANCELLED})
UNFINISHED = frozenset(Status) - TERMINAL
FAILURES = frozenset({Reason.TIMEOUT, Reason.KILLED, Reason.BAD_EXIT})

RULES: Mapping[Event, Rule] = MappingProxyType(
    {
        Event.CREATE: Rule(frozenset({None}), Status.QUEUED, execution=Execution.NOT_STARTED),
        Event.CREATE_DELAYED: Rule(
            frozenset({None}), Status.DELAYED, execution=Execution.NOT_STARTED
        ),
        Event.DUE: Rule(frozenset({Status.DELAYED}), Status.QUEUED),
        Event.CLAIM: Rule(
            frozenset({Status.QUEUED}), Status.RUNNING, execution=Execution.MAY_BE_RUNNING
        ),
        Event.SUCCEED: Rule(frozenset({Status.RUNNING}), Status.SUCCESS, execution=Execution.ENDED),
        Event.FAIL: Rule(
            frozenset({Status.RUNNING}), Status.ERROR, FAILURES, execution=Execution.ENDED
        ),
        Event.EXPIRE: Rule(frozenset({Status.RUNNING}), Status.ERROR, frozenset({Reason.TIMEOUT})),
        Event.CANCEL: Rule(
            frozenset({Status.DELAYED, Status.QUEUED, Status.RUNNING}),
            Status.CANCELLED,
            frozenset({Reason.CLIENT_REQUEST}),
        ),
        Event.RETRY: Rule(frozenset(TERMINAL), None),
    }
)


def allows(status: Status, event: Event) -> bool:
    """Tell whether the table has the event for a task in this status."""
    return status in RULES[event].sources


@cache
def apply(state: State | None, event: Event, reason: Reason = Reason.NONE) -> State:
    """Return the state after an event; ``state`` is None for a creation.

    Raises:
        IllegalEventError: the table does not allow the event from this state.
        ValueError: the event does not go with this reason.
    """
    rule = RULES[event]
    if (state.status if state else None) not in rule.sources:
        raise IllegalEventError(state, event)
    if reason not in rule.reasons:
        raise ValueError(f"{event.value} does not go with the reason {reason.name}")
    if rule.target is None and state is not None:
        return state
    execution = rule.execution or (state.execution if state else Execution.NOT_STARTED)
    return State(rule.target or Status.QUEUED, reason, execution)

"""What the machine makes of a task, and when two records of one say the same."""

from contextlib import suppress
from functools import cache

from idstatus_server import lifecycle
from idstatus_server.lifecycle import RULES, TERMINAL, Execution, IllegalEventError, State, Status
from idstatus_server.model import Task, replace


@cache
def successors(state: State | None) -> frozenset[State]:
    """Return the states to which an event may move a task from this one."""
    found = set()
    for event, rule in RULES.items():
        for reason in rule.reasons:
            with suppress(IllegalEventError):
                found.add(lifecycle.apply(state, event, reason))
    return frozenset(found - {state})


@cache
def reachable() -> frozenset[State]:
    """Return the states in which a task may be found; of those reported late, the execution."""
    found: set[State] = set()
    fresh = set(successors(None))
    while fresh:
        found |= fresh
        fresh = set().union(*map(successors, fresh)) - found
    late = {s._replace(execution=Execution.ENDED) for s in found if is_unsure(s)}
    return frozenset(found | late)


def is_unsure(state: State) -> bool:
    """Tell whether a runner may still report a task that is finished."""
    return state.status in TERMINAL and state.execution is Execution.MAY_BE_RUNNING


def name(state: State | None) -> str:
    """Return a state in words."""
    if state is None:
        return "nothing"
    return f"{state.status.name}/{state.reason.name}/{state.execution.name}"


def same(one: Task | None, other: Task) -> bool:
    """Tell whether a task stands as it did; its lease may have been extended without a change."""
    return one is not None and _unleased(one) == _unleased(other)


def _unleased(task: Task) -> Task:
    """Return a task without what ``Draft.save`` rewrites, which it does while it runs."""
    if task.status is not Status.RUNNING:
        return task
    return replace(task, lease_expire_time=0, deadline=0)

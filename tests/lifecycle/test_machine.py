"""The machine, against the table of the contract written down a second time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idstatus_server.lifecycle import (
    TERMINAL,
    Event,
    Execution,
    IllegalEventError,
    Reason,
    State,
    Status,
    apply,
)

D, Q, R, S, E, C = Status
ALLOWED = {
    (None, Event.CREATE): Q,
    (None, Event.CREATE_DELAYED): D,
    (D, Event.DUE): Q,
    (D, Event.CANCEL): C,
    (Q, Event.CLAIM): R,
    (Q, Event.CANCEL): C,
    (R, Event.SUCCEED): S,
    (R, Event.FAIL): E,
    (R, Event.EXPIRE): E,
    (R, Event.CANCEL): C,
    (S, Event.RETRY): S,
    (E, Event.RETRY): E,
    (C, Event.RETRY): C,
}
REASONS = {
    Event.FAIL: {Reason.TIMEOUT, Reason.KILLED, Reason.BAD_EXIT},
    Event.EXPIRE: {Reason.TIMEOUT},
    Event.CANCEL: {Reason.CLIENT_REQUEST},
}
PAIRS = list(itertools.product([None, *Status], Event))


def state(status: Status | None) -> State | None:
    return None if status is None else State(status, Reason.NONE, Execution.MAY_BE_RUNNING)


def reasons_of(event: Event) -> set[Reason]:
    return REASONS.get(event, {Reason.NONE})


@pytest.mark.parametrize(("status", "event"), PAIRS)
def test_each_event_leads_where_the_contract_says_or_is_refused(
    status: Status | None, event: Event
) -> None:
    for reason in reasons_of(event):
        if (status, event) in ALLOWED:
            assert apply(state(status), event, reason).status is ALLOWED[status, event]
        else:
            with pytest.raises(IllegalEventError):
                apply(state(status), event, reason)


@pytest.mark.parametrize(("status", "event"), sorted(ALLOWED, key=str))
def test_an_event_takes_only_the_reasons_that_go_with_it(
    status: Status | None, event: Event
) -> None:
    for reason in set(Reason) - reasons_of(event):
        with pytest.raises(ValueError, match="does not go with"):
            apply(state(status), event, reason)


def test_execution_is_unknown_from_the_claim_to_the_report() -> None:
    queued = apply(None, Event.CREATE)
    running = apply(queued, Event.CLAIM)
    told = [
        queued.execution,
        running.execution,
        apply(running, Event.SUCCEED).execution,
        apply(running, Event.FAIL, Reason.KILLED).execution,
        apply(running, Event.EXPIRE, Reason.TIMEOUT).execution,
        apply(running, Event.CANCEL, Reason.CLIENT_REQUEST).execution,
        apply(queued, Event.CANCEL, Reason.CLIENT_REQUEST).execution,
    ]
    assert told == [
        Execution.NOT_STARTED,
        Execution.MAY_BE_RUNNING,
        Execution.ENDED,
        Execution.ENDED,
        Execution.MAY_BE_RUNNING,
        Execution.MAY_BE_RUNNING,
        Execution.NOT_STARTED,
    ]


@given(st.booleans(), st.lists(st.tuples(st.sampled_from(Event), st.sampled_from(Reason))))
def test_any_walk_keeps_the_laws(delayed: bool, walk: list[tuple[Event, Reason]]) -> None:
    now = apply(None, Event.CREATE_DELAYED if delayed else Event.CREATE)
    claims = 0
    for event, reason in walk:
        before = now
        try:
            now = apply(now, event, reason)
        except (IllegalEventError, ValueError):
            continue
        claims += event is Event.CLAIM
        assert before.status not in TERMINAL or now == before
        assert (now.reason is not Reason.NONE) == (now.status in {E, C})
        assert (now.execution is Execution.NOT_STARTED) == (claims == 0)
    assert claims <= 1

"""What is counted of what many hear of."""

import pytest
from prometheus_client import CollectorRegistry

from idstatus_server.errors import LateAnswerError, StoreDamagedError, StoreUnavailableError
from idstatus_server.metrics.events import Events

ERRORS = "idstatus_store_errors_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def events(registry: CollectorRegistry) -> Events:
    return Events(registry)


def counted(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Return what has been counted of the store's errors."""
    return {
        (sample.labels["during"], sample.labels["kind"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == ERRORS and sample.value
    }


def test_an_error_counts_where_it_was_met_first_and_once(
    events: Events, registry: CollectorRegistry
) -> None:
    of_a_commit = StoreUnavailableError("away")
    events.store_failed("commit", of_a_commit)
    for _ in range(3):
        events.refused(of_a_commit)
    events.store_failed("timer", of_a_commit)
    events.refused(StoreDamagedError("a task"))
    assert counted(registry) == {("commit", "unavailable"): 1, ("call", "damaged"): 1}
    refused = registry.get_sample_value("idstatus_refusals_total", {"reason": "STORE_UNAVAILABLE"})
    assert refused == 4


def test_a_call_that_is_not_done_by_its_deadline_is_no_error_of_the_store(
    events: Events, registry: CollectorRegistry
) -> None:
    events.refused(LateAnswerError("late"))
    assert counted(registry) == {}

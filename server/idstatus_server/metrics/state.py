"""How things are at the moment: what is read when Prometheus asks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.metrics.survey import Survey
from idstatus_server.model import QueueState
from idstatus_server.observe import Use
from idstatus_server.watch import Hub

_PHASES = ("snapshot", "behind", "live")


class Watchers(NamedTuple):
    """How many watchers there are by phase, and the longest way that one of them has to go."""

    phases: Mapping[str, int]
    lag: int

    @classmethod
    def of(cls, hub: Hub) -> "Watchers":
        """Count those of a hub."""
        return cls(
            Counter(watcher.phase for watcher in hub.watchers),
            max((watcher.lag for watcher in hub.watchers), default=0),
        )


class State(NamedTuple):
    """One moment of a server, taken on its event loop; ``survey`` is None without a store."""

    ready: bool
    used: Mapping[str, Use]
    watchers: Watchers
    survey: Survey | None

    def metrics(self) -> Iterator[Metric]:
        """Yield it as metrics."""
        yield _gauge("idstatus_ready", "1 if the server serves, as its health says.", self.ready)
        yield _by(
            "idstatus_in_use",
            "Calls and streams in flight, and writes that wait for a commit.",
            "resource",
            {name: use.now for name, use in self.used.items()},
        )
        yield _by(
            "idstatus_limit",
            "How much of each there may be.",
            "resource",
            {name: use.limit for name, use in self.used.items()},
        )
        yield _by(
            "idstatus_watchers",
            "Watches, and calls that wait for a task, by phase.",
            "phase",
            {phase: self.watchers.phases.get(phase, 0) for phase in _PHASES},
        )
        yield _gauge(
            "idstatus_watcher_lag_revisions",
            "How far the watcher furthest behind is behind.",
            self.watchers.lag,
        )
        yield _gauge("idstatus_store_up", "1 if the store could be read.", bool(self.survey))
        if self.survey:
            yield from _of_store(self.survey)


class StateCollector(Collector):
    """Shows the last state that it was given."""

    def __init__(self) -> None:
        self.state: State | None = None

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; may be called in any thread."""
        return self.state.metrics() if self.state else ()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _of_store(survey: Survey) -> Iterator[Metric]:
    head = survey.head
    yield from _of_queues(survey.queues, survey.now)
    yield _gauge(
        "idstatus_queues_left_out",
        "1 if there are more queues than the thousand that are shown.",
        survey.more_queues,
    )
    yield _by(
        "idstatus_overdue_tasks",
        "Tasks that a timer should have acted on 5 s ago; at most 500 of each status are counted.",
        "status",
        {status.name.lower(): count for status, count in survey.overdue.items()},
    )
    yield _gauge("idstatus_log_revision", "The newest revision.", head.newest.revision)
    yield _gauge(
        "idstatus_log_oldest_revision", "The oldest that a watch can resume from.", head.oldest
    )
    yield _gauge(
        "idstatus_hub_lag_revisions",
        "How far what this process tells its watchers is behind the newest revision.",
        survey.hub_lag,
    )


def _of_queues(queues: Sequence[QueueState], now: int) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("idstatus_tasks", "Tasks in the store.", labels=("queue", "status"))
    for state in queues:
        for status in Status:
            labels = state.queue.name, status.name.lower()
            tasks.add_metric(labels, state.counts.get(status, 0))
    yield tasks
    yield _by(
        "idstatus_queue_oldest_queued_age_seconds",
        "For how long the task queued first has been; 0 if none is.",
        "queue",
        {state.queue.name: _age(state.oldest_queued_time, now) for state in queues},
    )
    yield _by(
        "idstatus_queue_paused",
        "1 if no task of the queue may be claimed.",
        "queue",
        {state.queue.name: state.queue.paused for state in queues},
    )


def _age(since: int, now: int) -> float:
    """Return for how many seconds something has been, 0 if it is not."""
    return max(0, now - since) / SECOND if since else 0.0

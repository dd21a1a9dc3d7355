"""What happens, counted as it does: calls by the names of gRFC A66, commits, changes, failures."""

from collections import Counter as Count
from collections.abc import Iterable, Iterator, Sequence
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from idstatus_server.engine.commands import LeaseState
from idstatus_server.errors import DomainError, StoreDamagedError, StoreUnavailableError
from idstatus_server.harmless import harmless
from idstatus_server.lifecycle import RULES, Execution, Reason, Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Kind
from idstatus_server.observe import Observer

# gRFC A66, Units: the buckets for latencies, in seconds.
_LATENCIES = (
    *(0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008),
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008),
    *(0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08),
    *(0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8),
    *(1, 2, 5, 10, 20, 50, 100),
)
_COMMITS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LATENESS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)
# From a tenth of a second to a month, the longest timeout by default.
_SPANS = (0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3600, 10800, 43200, 86400, 604800, 2592000)


class Events(Observer):
    """Counts what it is told of, in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # they would double the series
        self._registry = registry
        self._declare_calls()
        self._declare_commits()
        self._declare_tasks()
        self._show_zeros()
        # One error fails all who wait for the same commit, or watch as the store goes.
        self._counted: WeakSet[DomainError] = WeakSet()
        # To look up a child of a metric costs as much as to count.
        self._of_begun: dict[str, Counter] = {}
        self._of_ended: dict[tuple[str, str], Histogram] = {}

    def _declare_calls(self) -> None:
        self._begun = self._counter(
            "grpc_server_call_started_total", "Calls that began.", "grpc_method"
        )
        self._ended = self._histogram(
            "grpc_server_call_duration_seconds",
            "How long calls took, streams included, by how they ended.",
            _LATENCIES,
            *("grpc_method", "grpc_status"),
        )
        self._refused = self._counter(
            "idstatus_refusals_total", "Calls that ended with an error of ours.", "reason"
        )
        self._lag = self._histogram(
            "idstatus_event_loop_lag_seconds",
            "How late the event loop came to what was to be done at a time.",
            _LAGS,
        )

    def _declare_commits(self) -> None:
        self._failures = self._counter(
            "idstatus_store_errors_total",
            "Times that the store could not be read or written.",
            *("during", "kind"),
        )
        self._commits = self._histogram(
            "idstatus_commit_duration_seconds",
            "How long a commit took, with its wait for the store.",
            _COMMITS,
        )
        self._commands = self._histogram(
            "idstatus_commit_commands", "Commands that shared a commit.", _SIZES
        )
        self._changes = self._histogram("idstatus_commit_changes", "Changes in a commit.", _SIZES)

    def _declare_tasks(self) -> None:
        self._transitions = self._counter(
            "idstatus_task_transitions_total",
            "Changes of a task's status; from is none for a creation.",
            *("from", "to", "reason"),
        )
        self._lateness = self._histogram(
            "idstatus_timer_lateness_seconds",
            "How long after its time a delayed task became due, or a running one expired.",
            _LATENESS,
            "timer",
        )
        self._leases = self._counter(
            "idstatus_leases_total",
            "Leases that runners asked to extend, by what became of them.",
            "state",
        )
        self._waits = self._histogram(
            "idstatus_task_wait_seconds", "How long claimed tasks were queued.", _SPANS
        )
        self._runs = self._histogram(
            "idstatus_task_run_seconds", "How long tasks that ended had run.", _SPANS
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _show_zeros(self) -> None:
        """Let what has not happened yet be there with 0: else its first time is no increase."""
        for reason in _reasons(DomainError):
            self._refused.labels(reason)
        for during in ("call", "commit", "log", "survey", "timer"):
            for kind in ("damaged", "unavailable"):
                self._failures.labels(during, kind)
        for source, to, why in _moves():
            self._transitions.labels(_name(source), _name(to), _name(why))
        for timer in ("due", "expire"):
            self._lateness.labels(timer)
        for state in LeaseState:
            self._leases.labels(state.name.lower())

    # -- what it is told

    @harmless(None)
    def call_begun(self, method: str) -> None:
        """Count a call."""
        if method not in self._of_begun:
            self._of_begun[method] = self._begun.labels(method)
        self._of_begun[method].inc()

    @harmless(None)
    def call_ended(self, method: str, status: str, seconds: float) -> None:
        """Count how a call ended, and its time."""
        key = method, status
        if key not in self._of_ended:
            self._of_ended[key] = self._ended.labels(*key)
        self._of_ended[key].observe(seconds)

    @harmless(None)
    def refused(self, error: DomainError) -> None:
        """Count an error that a call was given."""
        self._refused.labels(error.reason).inc()
        if isinstance(error, StoreUnavailableError):
            self.store_failed("call", error)

    @harmless(None)
    def store_failed(self, during: str, error: DomainError) -> None:
        """Count a failure of the store, however many hear of it."""
        if error in self._counted:
            return
        self._counted.add(error)
        kind = "damaged" if isinstance(error, StoreDamagedError) else "unavailable"
        self._failures.labels(during, kind).inc()

    @harmless(None)
    def committed(self, commands: int, changes: Sequence[Change], seconds: float) -> None:
        """Count a commit and what it changed."""
        self._commits.observe(seconds)
        self._commands.observe(commands)
        self._changes.observe(len(changes))
        moved: Count[tuple[Status | None, Status, Reason]] = Count()
        for change in changes:
            if change.kind is Kind.TRANSITION:
                source = change.before.status if change.before else None
                moved[source, change.task.status, change.task.reason] += 1
                self._time(change)
        for (source, to, reason), count in moved.items():
            self._transitions.labels(_name(source), _name(to), _name(reason)).inc(count)

    @harmless(None)
    def leases_extended(self, states: Iterable[str]) -> None:
        """Count what became of leases."""
        for state, count in Count(states).items():
            self._leases.labels(state).inc(count)

    @harmless(None)
    def lagged(self, seconds: float) -> None:
        """Measure how late the event loop was."""
        self._lag.observe(seconds)

    def _time(self, change: Change) -> None:
        """Measure what a transition ends: a wait, a run, or the time that a timer was late."""
        task, before = change.task, change.before
        if before is None:
            return
        now = task.update_time
        if before.status is Status.DELAYED and task.status is Status.QUEUED:
            self._lateness.labels("due").observe((now - before.run_time) / SECOND)
        elif task.status is Status.RUNNING:
            self._waits.observe((now - before.transitions[-1].time) / SECOND)
        elif before.status is Status.RUNNING:
            self._runs.observe((now - before.start_time) / SECOND)
            # A runner's own report says that the execution has ended; an expiry cannot.
            if task.status is Status.ERROR and task.execution is Execution.MAY_BE_RUNNING:
                late = now - (before.wake_time or now)
                self._lateness.labels("expire").observe(late / SECOND)


def _name(what: Status | Reason | None) -> str:
    return what.name.lower() if what else "none"


def _reasons(error: type[DomainError]) -> Iterator[str]:
    """Yield the reasons of an error and of all that are kinds of it."""
    if "reason" in vars(error):
        yield error.reason
    for kind in error.__subclasses__():
        yield from _reasons(kind)


def _moves() -> Iterator[tuple[Status | None, Status, Reason]]:
    """Yield each way of the machine from one status to another, and its reason."""
    for rule in RULES.values():
        for source in rule.sources:
            for reason in rule.reasons:
                if rule.target:
                    yield source, rule.target, reason

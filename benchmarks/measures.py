"""What is measured, and what it must reach: the only place that says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One ratio: ours to the other side's. Without ``must`` it is reported only."""

    name: str
    ours: str
    other: str
    unit: str
    must: float | None = None
    aim: float | None = None
    lower: bool = False
    """The lower the ratio, the better."""

    def met(self, ratio: float) -> bool:
        """Say whether a ratio is what it must be."""
        return self.must is None or (ratio <= self.must if self.lower else ratio >= self.must)


_CALLS, _MS, _KIB, _TASKS, _TOLD = "calls/s", "ms", "KiB", "tasks/s", "deliveries/s"
_EMPTY = "empty handler"
_BARE = "bare stream, same bytes"
_FEW = "the same with 10,000 stored"
_LIFE = "create, claim, finish"
_BATCHES = f"{_LIFE}, batches of 100"

_ALL = (
    Measure("get", "GetIdStatus, 256 in flight", _EMPTY, _CALLS, 0.80, 0.95),
    Measure("get-many", "the same of 50,000 tasks", _EMPTY, _CALLS, 0.80, 0.95),
    Measure("get-h2load", "get, loaded by h2load", _EMPTY, _CALLS),
    Measure("create", "CreateTask, 256 in flight", _EMPTY, _CALLS, 0.60, 0.80),
    Measure("create-request", "create with a request id", _EMPTY, _CALLS),
    Measure("create-one", "CreateTask, 1 caller", "empty call + commit", _MS, 1.5, 1.2, lower=True),
    Measure("lifecycle-procrastinate", _BATCHES, "Procrastinate", _TASKS, 20, 50),
    Measure("lifecycle-celery", _BATCHES, "Celery", _TASKS, 15, 40),
    Measure("lifecycle-rq", _BATCHES, "RQ", _TASKS),
    Measure("lifecycle-river", _BATCHES, "River (a program in Go)", _TASKS),
    Measure("lifecycle-unary", f"{_LIFE}, single calls", "Procrastinate", _TASKS, 3, 5),
    Measure("fan-out-1", "busy queue, 1 watcher", _BARE, _TOLD, 0.80, 0.95),
    Measure("fan-out-100", "busy queue, 100 watchers", _BARE, _TOLD, 0.80, 0.95),
    Measure("fan-out-1000", "busy queue, 1000 watchers", _BARE, _TOLD, 0.80, 0.95),
    Measure("fan-out-100-cpu", "100 watchers, writes not counted", _BARE, f"{_TOLD} of CPU"),
    Measure("fan-out-1000-cpu", "1000 watchers, writes not counted", _BARE, f"{_TOLD} of CPU"),
    Measure("lag-p50", "commit to delivery at half load", "write to read", _MS, 2, 1.3, lower=True),
    Measure("lag-p99", "commit to delivery at half load", "write to read", _MS, 2, 1.3, lower=True),
    Measure("idle", "memory of a watcher of 1 task", "idle stream", _KIB, 1.5, 1.2, lower=True),
    Measure("idle-queue", "memory of a watcher of a queue", "idle stream", _KIB, lower=True),
    Measure("growth-get", "GetIdStatus, many stored", _FEW, _CALLS, 0.85, 1.0),
    Measure("growth-create", "CreateTask, many stored", _FEW, _CALLS, 0.85, 1.0),
    Measure("growth-claim", "claim and finish, many stored", _FEW, _TASKS, 0.85, 1.0),
    Measure("growth-list", "a page of 50, many stored", _FEW, _CALLS, 0.85, 1.0),
    Measure("postgres-get", "get on PostgreSQL", _EMPTY, _CALLS),
    Measure("postgres-create", "create on PostgreSQL", _EMPTY, _CALLS),
    Measure("postgres-lifecycle", f"{_BATCHES}, on PostgreSQL", "Procrastinate", _TASKS),
    Measure("replicas", f"{_BATCHES}, 2 processes", "1 process", _TASKS, None, 1.6),
)

MEASURES = {measure.name: measure for measure in _ALL}

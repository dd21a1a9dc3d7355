"""What watchers cost: all of one busy queue, or each of something else."""

from collections.abc import Callable, Iterator, Sequence

import servers
from contest import WARM_UP, Meter
from curve import Act, Curve, Group, Operation, Point, Reading, Scale, call, cost, points, repeat
from fanout import BATCH, WATCH, Watchers, Writer, batch, telling
from google.protobuf.duration_pb2 import Duration
from idle import grown
from unary import BATCH_CREATE, CREATE, create_many, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import TaskFilter

_CONNECTIONS = 10
# What fewer take is lost in the noise: of memory, and of a commit.
_SEEN, _SOME = 100, 10
_EACH = "each watcher is told"
# What idle watchers are sent now and then is not the cost of a commit.
_SELDOM = Duration(seconds=3600)

CURVES = (
    Curve(
        "commit", f"a commit of {BATCH} creations, told to all watchers of their queue", None, _EACH
    ),
    Curve("delivery", "of this what is for one watcher, without the writes", _SOME),
    Curve("beside-task", "a commit of one creation, while each watches a task of another queue"),
    Curve("beside-queue", "the same, while each watches a queue of its own"),
    Curve("memory-task", "memory of a watcher of a task", _SEEN, unit="KiB"),
    Curve("memory-queue", "memory of a watcher of a queue of its own", _SEEN, unit="KiB"),
)


def busy(scale: Scale, watchers: int) -> Iterator[Point]:
    """Let all watch one queue."""
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
    ):
        audience = Watchers(wire, watchers)
        writer = Writer(wire, BATCH_CREATE, batch("q"), (BATCH_CREATE, batch("quiet")))
        audience.bursts(writer.begin, Meter(server), WARM_UP)
        rounds = []
        for _ in range(scale.rounds):
            rounds.append(telling(server, audience, writer, scale.seconds))
            audience.check()
    commits = [Reading(one.whole * 1e6, one.bursts / one.meter.seconds) for one in rounds]
    yield Point("commit", watchers, commits)
    if watchers >= _SOME:
        each = [Reading(one.telling / watchers * 1e6) for one in rounds]
        yield Point("delivery", watchers, each)


def beside(
    scale: Scale, sizes: Sequence[int], what: str, request: Callable[[Wire, int], Iterator[bytes]]
) -> Iterator[Point]:
    """Let each watch something of its own, more and more of them, beside a busy queue."""
    task = new_task("busy").SerializeToString()
    create: Operation = call(CREATE, lambda: task)
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
    ):
        requests, watchers = request(wire, max(sizes)), 0
        for size in sizes:
            each = grown(wire, server, WATCH, lambda: next(requests), size - watchers)
            watchers = size
            if size >= _SEEN:
                yield Point(f"memory-{what}", size, [Reading(each)])
            acts: dict[str, Act] = {
                f"beside-{what}": lambda: cost(server, lambda: repeat(wire, create, scale.calls, 1))
            }
            yield from points(scale, {size: acts})


def of_tasks(wire: Wire, count: int) -> Iterator[bytes]:
    """Return requests to watch a task each."""
    for task_id in create_many(wire, count, "watched"):
        request = t.WatchTasksRequest(ids=[task_id], bookmark_interval=_SELDOM)
        yield request.SerializeToString()


def of_queues(_: Wire, count: int) -> Iterator[bytes]:
    """Return requests to watch a queue each."""
    for number in range(count):
        wanted = TaskFilter(queues=[f"watched-{number}"])
        request = t.WatchTasksRequest(filter=wanted, bookmark_interval=_SELDOM)
        yield request.SerializeToString()


def measure(scale: Scale, sizes: Sequence[int]) -> Iterator[Point]:
    """Measure the one, then the others."""
    for size in sizes:
        yield from busy(scale, size)
    yield from beside(scale, sizes, "task", of_tasks)
    yield from beside(scale, sizes, "queue", of_queues)


WATCHERS = Group("watchers", "watchers", CURVES, (1, 10, 100, 1_000, 10_000), measure, trial=_SEEN)

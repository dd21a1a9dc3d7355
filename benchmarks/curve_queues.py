"""What calls cost while there are more and more queues."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import servers
from curve import (
    Act,
    Curve,
    Group,
    Operation,
    Point,
    Reading,
    Scale,
    call,
    claim_and_finish,
    cost,
    points,
    repeat,
)
from lives import CONNECTIONS, UNARY_CALLERS, claim_request
from unary import CREATE, create_many, new_task
from wire import Wire

from idstatus.v1 import queue_service_pb2 as q
from idstatus_server.limits import Limits

LIST = "/idstatus.v1.QueueService/ListQueues"
_NAMED = Limits().claim_queues
_PAGE = Limits().default_page
_LOOKS = "a claim looks into each queue that it names"
_SHOWS = f"a page shows all queues up to {_PAGE}, each with its counts"

CURVES = (
    Curve("create", "CreateTask, the queues in turn"),
    Curve("claim", "ClaimTasks that names one queue, the queues in turn, and FinishTasks"),
    Curve(
        "claim-all", f"the same, naming all queues up to {_NAMED}; the last has tasks", 100, _LOOKS
    ),
    Curve("list", f"ListQueues, a page of {_PAGE}", 100, _SHOWS),
)


class Queues:
    """Some queues of a server, all empty; what is created in turn is claimed in turn."""

    def __init__(self, scale: Scale, wire: Wire, server: servers.Server, count: int) -> None:
        names = [f"q{number:04}" for number in range(count)]
        self._calls, self._wire, self._server = scale.calls, wire, server
        self._named = names[:_NAMED]
        self._create = call(CREATE, in_turn([new_task(n).SerializeToString() for n in names]))
        self._claim = claim_and_finish(in_turn([claim_request(1, (name,)) for name in names]))
        self._claim_all = claim_and_finish(lambda: claim_request(1, self._named))
        listing = q.ListQueuesRequest().SerializeToString()
        self._list = call(LIST, lambda: listing)
        for operation in (self._create, self._claim):  # from now on there are as many
            repeat(wire, operation, count, UNARY_CALLERS)

    def acts(self) -> dict[str, Act]:
        """Return what is measured; a claim takes what the creation before it has made."""
        return {
            "create": lambda: self._cost(self._create),
            "claim": lambda: self._cost(self._claim),
            "claim-all": self._claimed_from_all,
            "list": lambda: self._cost(self._list),
        }

    def _claimed_from_all(self) -> Reading:
        create_many(self._wire, self._calls, self._named[-1])
        return self._cost(self._claim_all)

    def _cost(self, operation: Operation) -> Reading:
        return cost(self._server, lambda: repeat(self._wire, operation, self._calls, UNARY_CALLERS))


def in_turn(requests: Sequence[bytes]) -> Callable[[], bytes]:
    """Return what returns one after the other, again and again."""
    turns = itertools.cycle(requests)
    return lambda: next(turns)


def measure(scale: Scale, sizes: Sequence[int]) -> Iterator[Point]:
    """Let there be more and more queues on one server."""
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, CONNECTIONS) as wire,
    ):
        for size in sizes:
            yield from points(scale, {size: Queues(scale, wire, server, size).acts()})


QUEUES = Group("queues", "queues", CURVES, (1, 10, 100, 1_000), measure)

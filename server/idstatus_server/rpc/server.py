"""The gRPC server: its services, its options, and how it drains."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import grpc
from google.longrunning import operations_pb2
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2
from idstatus_server.errors import DrainingError, StoreUnavailableError, UnavailableError
from idstatus_server.limits import Limits
from idstatus_server.observe import Use
from idstatus_server.rpc.channelz import ChannelzService
from idstatus_server.rpc.dispatch import Way, handlers
from idstatus_server.rpc.guard import Guard
from idstatus_server.rpc.health import HealthService
from idstatus_server.rpc.listening import listen
from idstatus_server.rpc.listing import Listing
from idstatus_server.rpc.observing import Unknown
from idstatus_server.rpc.operations import OperationsService
from idstatus_server.rpc.queue_service import QueueService
from idstatus_server.rpc.reflection import reflection_handlers
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.runner_service import RunnerService
from idstatus_server.rpc.sign_in import SignIn
from idstatus_server.rpc.task_service import TaskService
from idstatus_server.rpc.tls import Door
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.rpc.watching import Watching

_TASKS = task_service_pb2.DESCRIPTOR.services_by_name["TaskService"]
_RUNNERS = runner_service_pb2.DESCRIPTOR.services_by_name["RunnerService"]
_QUEUES = queue_service_pb2.DESCRIPTOR.services_by_name["QueueService"]
_OPERATIONS = operations_pb2.DESCRIPTOR.services_by_name["Operations"]
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_CHANNELZ = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"]
# Enough for those who watch health or ask for the schema, and no more.
_STOCK_STREAMS = 1000
# How long the last answers have to leave the process, in seconds.
_LINGER = 0.2


class RpcServer:
    """Serves until it is drained; ``trouble`` is why it does not just now, None while it does."""

    def __init__(
        self, rooms: Rooms, sign_in: SignIn, max_message_bytes: int, *, shared: bool = False
    ) -> None:
        """Make a server; with ``shared`` its ports are those of other processes, too."""
        self._rooms = rooms
        self.trouble: UnavailableError | None = None
        self._shared = shared
        limits = rooms.limits
        guard = partial(
            Guard, in_flight=limits.in_flight, observer=rooms.observer, callers=sign_in.callers
        )
        self._guard = guard(streams=limits.watches)
        self._way = Way(sign_in, self._guard, rooms.tracer)
        ours = (_TASKS, _RUNNERS, _QUEUES, _OPERATIONS)
        self.health = HealthService(tuple(service.full_name for service in ours))
        options = grpc_options(limits, rooms.patience.unbegun, max_message_bytes, shared=shared)
        self._server = grpc.aio.server(options=options)
        listed = tuple(service.full_name for service in (*ours, _HEALTH, _CHANNELZ))

        def stock() -> Way:
            return Way(sign_in, guard(streams=_STOCK_STREAMS))

        self._server.add_generic_rpc_handlers(
            (
                *self._services(),
                handlers(_HEALTH, self.health, stock()),
                handlers(_CHANNELZ, ChannelzService(), stock()),
                *reflection_handlers(listed, stock()),
                Unknown(rooms.observer),
            )
        )

    def _services(self) -> tuple[grpc.GenericRpcHandler, ...]:
        rooms = self._rooms
        tokens = Tokens(rooms.store.store_id)
        listing = Listing(rooms.store, tokens, rooms.limits)
        watching = Watching(rooms, tokens, self._guard)
        tasks = TaskService(rooms, listing, watching)
        runners = RunnerService(rooms, self._guard)
        queues = QueueService(rooms, tokens)
        operations = OperationsService(rooms, listing, watching)
        return (
            handlers(_TASKS, tasks, self._way),
            handlers(_RUNNERS, runners, self._way),
            handlers(_QUEUES, queues, self._way),
            handlers(_OPERATIONS, operations, self._way),
        )

    async def start(self, addresses: Sequence[str], door: Door) -> list[str]:
        """Listen, and return where; a port 0 becomes the one that was given.

        Raises:
            StartError: an address cannot be bound, or not safely.
        """
        bound = [listen(self._server, one, door, shared=self._shared) for one in addresses]
        await self._server.start()
        return bound

    @property
    def used(self) -> Mapping[str, Use]:
        """How many calls and streams are in flight, and how many writes wait for a commit."""
        writes = Use(self._rooms.ledger.pending, self._rooms.limits.pending_writes)
        return {**self._guard.used, "writes": writes}

    def tell(self, trouble: StoreUnavailableError | None) -> None:
        """Take note that the store is out of reach, or that it is back (None).

        Health follows, and whoever watches is ended: they would wait for nothing, where
        another replica may serve them.
        """
        if self._rooms.hub.ended or (trouble is None) == (self.trouble is None):
            return
        self.trouble = trouble
        self.health.set(serving=trouble is None)
        if trouble:
            self._rooms.hub.interrupt(trouble)

    async def drain(self, grace: float) -> None:
        """Refuse what is new, end what waits, and give calls ``grace`` seconds to finish.

        The server goes on to refuse calls until the process ends.
        """
        self.trouble = DrainingError()
        self.health.set(serving=False)
        self._guard.close(DrainingError())
        self._rooms.hub.end(DrainingError())
        self._rooms.arrivals.end(DrainingError())
        try:
            async with asyncio.timeout(grace):
                await self._guard.emptied()
        except TimeoutError:
            pass  # a stream whose client does not read: it is cut
        await asyncio.sleep(_LINGER)

    async def stop(self) -> None:
        """Close the connections and the addresses: for a process that goes on."""
        await self._server.stop(None)


def grpc_options(
    limits: Limits, unbegun: int, max_message_bytes: int, *, shared: bool
) -> list[tuple[str, int]]:
    """Return what gRPC is told of our limits, as channel arguments."""
    # Past our own limits, calls must reach the guard: gRPC would let them wait unheard.
    most = limits.watches + limits.in_flight + 2 * _STOCK_STREAMS
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", -1),  # answers are bounded by what they carry
        ("grpc.max_concurrent_streams", most),
        # Of 1000 that come at once it would cancel some: after a restart, all watchers do.
        ("grpc.server.max_pending_requests", most),
        ("grpc.server.max_pending_requests_hard_limit", most),
        # All else is too late where the processor is the limit: a refusal is as dear as an answer.
        ("grpc.server_max_unrequested_time_in_server", unbegun),
        ("grpc.so_reuseport", int(shared)),
        # A client may ping every 10 s, with or without calls.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Who connects has 10 s to speak HTTP/2: it takes a file handle meanwhile.
        ("grpc.server_handshake_timeout_ms", 10_000),
        # A client that is gone without a word is noticed within 80 s.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]

"""Claims tasks for runners, and waits for work."""

import asyncio
from collections.abc import Sequence

from idstatus.v1 import runner_service_pb2 as pb
from idstatus_server.access import caller
from idstatus_server.engine.commands import Claim, Claimed
from idstatus_server.limits import DEFAULT_QUEUE
from idstatus_server.model import Task
from idstatus_server.rpc import encode
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.guard import Guard
from idstatus_server.rpc.rooms import Rooms

_LOOK_AGAIN = 10.0


class Claiming:
    """What the two ways to claim share."""

    def __init__(self, rooms: Rooms, guard: Guard) -> None:
        self.store = rooms.store
        self.arrivals = rooms.arrivals
        self._ledger = rooms.ledger
        self._guard = guard

    async def claim(self, command: Claim, patience: float) -> Sequence[Task]:
        """Claim what there is; if there is nothing, wait ``patience`` seconds for it.

        Raises:
            CredentialsExpiredError, CallerChangedError: what let the caller in holds no more.
        """
        who = caller.get()
        ends = asyncio.get_running_loop().time() + patience
        woken = False
        while True:
            try:
                who.stay()
                mark = self.arrivals.mark()
                claimed = await self.claim_now(command)
            except BaseException:
                if woken:
                    self.arrivals.pass_on(command.queues)
                raise
            left = ends - asyncio.get_running_loop().time()
            if claimed.tasks or claimed.repeated or left <= 0:
                return claimed.tasks
            # Looks again now and then: another process may have opened a queue.
            with self._guard.waiting():
                left = min(left, who.left(), _LOOK_AGAIN)
                woken = await self.arrivals.wait(command.queues, mark, left)

    async def claim_now(self, command: Claim) -> Claimed:
        """Claim what there is."""
        claimed = await self._ledger.submit(command)
        self.arrivals.limited(claimed.limited)
        return claimed

    async def encode(self, answer: pb.ClaimTasksResponse, tasks: Sequence[Task]) -> None:
        """Put claims in an answer, with the tasks' payloads.

        A task that was cancelled and deleted since it was claimed is left out: its payload is gone.
        """
        bodies = await self.store.bodies([task.seq for task in tasks])
        for task in tasks:
            if task.seq not in bodies:
                continue
            claim = answer.claims.add(lease_token=task.lease_token, traceparent=task.created_in)
            encode.task(claim.task, task, encode.FULL, bodies)
            encode.set_time(claim.lease_expire_time, task.lease_expire_time)


def wanted_queues(fields: Fields, queues: Sequence[str]) -> tuple[str, ...]:
    """Return the queues to claim from."""
    queues = fields.at_most("queues", queues, fields.limits.claim_queues) or [DEFAULT_QUEUE]
    for i, queue in enumerate(queues):
        fields.queue(f"queues[{i}]", queue)
    return tuple(dict.fromkeys(queues))


def lease_duration(fields: Fields, message: pb.ClaimTasksRequest | pb.Subscription) -> int:
    """Return how long leases are to last, in microseconds."""
    limits = fields.limits
    return fields.span(
        "lease_duration", message, limits.min_lease, limits.max_lease, limits.default_lease
    )

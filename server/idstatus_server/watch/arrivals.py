"""Wakes runners that wait for work: as many as there is work for, first come first."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence

from idstatus_server.errors import DomainError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Change


class Arrivals:
    """Knows who waits at which queue."""

    def __init__(self) -> None:
        self._waiting: dict[str, OrderedDict[asyncio.Future[None], None]] = {}
        self._limited: set[str] = set()
        self._count = 0
        self._latest: dict[str, int] = {}
        self._ended: DomainError | None = None

    def publish(self, changes: Sequence[Change]) -> None:
        """Wake one for each task that became claimable, or made room for another."""
        for change in changes:
            queue = change.task.queue
            left = change.before is not None and change.before.status is Status.RUNNING
            if change.task.status is Status.QUEUED or (
                left and change.task.status is not Status.RUNNING and queue in self._limited
            ):
                self._wake(queue)

    def mark(self) -> int:
        """Return a mark to take before a claim: ``wait`` then misses nothing since.

        Raises the error with which ``end`` was called: there are no more claims.
        """
        if self._ended:
            raise self._ended
        return self._count

    def open(self, queue: str) -> None:
        """Wake everyone at a queue: it may give more than before."""
        while self._wake(queue):
            pass

    def open_all(self) -> None:
        """Wake everyone: what they may have missed is not known."""
        for queue in tuple(self._waiting):
            self.open(queue)

    def pass_on(self, queues: Collection[str]) -> None:
        """Wake others instead of one who was woken and cannot take the work."""
        for queue in queues:
            self._wake(queue)

    def limited(self, queues: Collection[str]) -> None:
        """Take note that these queues have a limit on what runs."""
        self._limited.update(queues)

    async def wait(self, queues: Collection[str], mark: int, patience: float) -> bool:
        """Wait for work that came after the mark; tell whether there may be some.

        ``patience`` is in seconds. Raises the error with which ``end`` was called.
        """
        if self._ended:
            raise self._ended
        if any(self._latest.get(queue, 0) > mark for queue in queues):
            return True
        ticket = asyncio.get_running_loop().create_future()
        for queue in queues:
            self._waiting.setdefault(queue, OrderedDict())[ticket] = None
        try:
            async with asyncio.timeout(patience):
                await ticket
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():  # woken, but gone: pass it on
                self.pass_on(queues)
            raise
        finally:
            for queue in queues:
                self._leave(queue, ticket)
        return True

    def end(self, error: DomainError) -> None:
        """Wake everyone with an error; refuse new ones."""
        self._ended = error
        for ticket in deque(t for tickets in self._waiting.values() for t in tickets):
            if not ticket.done():
                ticket.set_exception(error)

    def _wake(self, queue: str) -> bool:
        self._count += 1
        self._latest[queue] = self._count
        tickets = self._waiting.get(queue)
        while tickets:
            ticket, _ = tickets.popitem(last=False)
            if not ticket.done():
                ticket.set_result(None)
                return True
        return False

    def _leave(self, queue: str, ticket: asyncio.Future[None]) -> None:
        tickets = self._waiting.get(queue)
        if tickets is None:
            return
        tickets.pop(ticket, None)
        if not tickets:
            self._waiting.pop(queue, None)

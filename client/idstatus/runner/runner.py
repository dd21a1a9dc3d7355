"""The runner: one workload over any number of streams."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import grpc

from idstatus.channel import Endpoint
from idstatus.clients import AsyncClient, Client
from idstatus.core.backoff import LONGEST_PAUSE, RESUMABLE, Backoff
from idstatus.errors import RpcError
from idstatus.models.enums import Reason
from idstatus.models.outcome import Failure
from idstatus.models.wire import Duration, encode_duration, seconds
from idstatus.runner.handler import Handler, Work
from idstatus.runner.session import Session
from idstatus.runner.workload import Workload
from idstatus.v1 import runner_service_pb2 as pb
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub

_log = logging.getLogger("idstatus")

# How long the handlers that a shutdown ended by force have to end, and to be reported.
_LAST_WORDS = 5.0

# A fault in the server must not end the tasks under way.
_BEARABLE = RESUMABLE | {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}

H = TypeVar("H", bound=Handler)


class Runner:
    """Claims tasks, has their queue's handler do each, and reports what became of them.

    ```python
    from idstatus import Runner, TaskContext

    runner = Runner("127.0.0.1:50051", capacity=10)

    @runner.handler("mail")
    async def send(context: TaskContext) -> dict[str, int]:
        mail = context.task.payload_json()
        return {"characters": len(mail["text"])}
    ```

    Then `runner.run_forever()` is a process of its own, and `await runner.run()` a part of one.

    A handler gets a `TaskContext`. It may be an async function, or a blocking one: that runs in
    a thread. What it returns is the task's result; None is an empty one. An exception is
    reported as bad_exit, a `TaskError` as what it says.

    When a task is cancelled or expires, an async handler is cancelled at once, and a blocking
    one finds `context.cancelled` set; then `stopped` is reported, whatever the handler returns.
    The server watches over a task's timeout; the runner has no clock of its own for it.

    While the server is away, handlers go on, and their leases are extended and their reports
    sent once it is back. A runner runs once.

    Args:
        target: Where the server listens, or a client, whose address, credentials, token and
            metadata are used, but not its connection.
        capacity: How many tasks to hold at once, of all queues together, 1 to 1,000.
        name: The runner's name, for people; by default the host's name and the process id.
        lease_duration: How long a task stays the runner's without a word from it, 1 s to 1 h.
            Leases are extended after a third of it.
        drain_grace: How long handlers may take to end once the runner is told to stop. After
            that they are cancelled and reported as killed. A blocking handler that does not
            look at `context.cancelled` keeps the process from ending.
    """

    def __init__(
        self,
        target: str | AsyncClient | Client,
        *,
        capacity: int = 1,
        name: str | None = None,
        lease_duration: Duration = 30.0,
        drain_grace: Duration = 30.0,
    ) -> None:
        self._endpoint = Endpoint(target) if isinstance(target, str) else target.endpoint
        self._handlers: dict[str, Handler] = {}
        self._subscription = pb.Subscription(
            capacity=capacity,
            lease_duration=encode_duration(lease_duration),
            runner=name or f"{socket.gethostname()}-{os.getpid()}",
        )
        self._lease_duration = seconds(lease_duration)
        self._drain_grace = seconds(drain_grace)
        self._has_begun = False
        self._stopping = asyncio.Event()

    def handler(self, *queues: str) -> Callable[[H], H]:
        """Decorate the function that does the tasks of these queues; none: of "default".

        Queues are claimed from in the order in which they were given a handler: as long as the
        first one has tasks, the others wait.

        Raises:
            TypeError: Something else than a queue's name is given, such as the function itself.
            ValueError: One of the queues has a handler already.
            RuntimeError: The runner runs already, or has run.
        """
        if not all(isinstance(queue, str) for queue in queues):
            raise TypeError('name the queues: @runner.handler("mail")')
        if self._has_begun:
            raise RuntimeError("a runner that has begun takes no more handlers")

        def add(handler: H) -> H:
            for queue in queues or ("default",):
                if queue in self._handlers:
                    raise ValueError(f"queue {queue!r} has a handler already")
                self._handlers[queue] = handler
            return handler

        return add

    def stop(self) -> None:
        """Drain: claim nothing more, let the handlers end, report, and return from `run`.

        Must be called in the thread of the event loop.
        """
        self._stopping.set()

    def run_forever(self) -> None:
        """Run until SIGTERM or SIGINT; then drain. A second signal ends the process at once."""
        asyncio.run(self._run_until_signal())

    async def run(self) -> None:
        """Run until `stop` is called and the drain is complete.

        If this is cancelled, the handlers are too, and their tasks expire with their leases.

        Raises:
            RpcError: The server refuses the runner, for example its credentials or a queue's name.
            RuntimeError: The runner has no handler, or has run before.
        """
        if self._has_begun:
            raise RuntimeError("a runner runs once: make another one")
        if not self._handlers:
            raise RuntimeError("the runner has no handler: see Runner.handler")
        self._has_begun = True
        self._subscription.queues.extend(self._handlers)
        workload = Workload(Work(self._handlers, self._subscription.capacity))
        talking = asyncio.create_task(self._talk(workload))
        draining = asyncio.create_task(self._drain(workload))
        try:
            await asyncio.wait({talking, draining}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                talking.result()
            else:
                _log.error("The runner gives up on %d tasks: they will expire", len(workload))
        finally:
            talking.cancel()
            draining.cancel()
            await asyncio.gather(talking, draining, return_exceptions=True)
            await workload.close(_LAST_WORDS)

    async def _talk(self, workload: Workload) -> None:
        """Hold one session after the other until the drain is complete."""
        # Once the server is back, nothing expires for one lease: time enough to come back, too.
        longest = min(LONGEST_PAUSE, self._lease_duration / 6)
        backoff = Backoff(resumable=_BEARABLE, longest_pause=longest)
        async with self._endpoint.aio_channel(for_streams=True) as channel:
            stub = RunnerServiceStub(channel)
            while workload or not self._stopping.is_set():
                call = stub.Run(None, metadata=self._endpoint.call_metadata())
                session = Session(call, workload, self._subscription)
                try:
                    await session.converse()
                except RpcError as error:
                    if session.is_established:
                        backoff.succeeded()
                    pause = backoff.pause_after(error)
                    _log.warning("The runner lost the server, back in %.1f s: %s", pause, error)
                    await self._pause(pause)

    async def _pause(self, pause: float) -> None:
        """Wait between two sessions; being told to stop cuts it short."""
        if self._stopping.is_set():
            await asyncio.sleep(pause)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _drain(self, workload: Workload) -> None:
        """Once told to stop, take care that the end comes. Returns if it has to be forced."""
        await self._stopping.wait()
        workload.draining = True
        workload.news.set()
        await asyncio.sleep(self._drain_grace)
        workload.stop_all(Failure(reason=Reason.KILLED, message="the runner was shut down"))
        await asyncio.sleep(_LAST_WORDS)

    async def _run_until_signal(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        await self.run()

    def _on_signal(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        self.stop()

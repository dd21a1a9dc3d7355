"""The server in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Self

from idstatus_server import config
from idstatus_server.serving import serve

_FLAGS = ("--listen", "127.0.0.1:0", "--store", "sqlite:///:memory:", "--grace", "1s")


class LocalServer:
    """A real server, in a thread of this process, on a free port, with an empty store in memory.

    It lives as long as a `with` or `async with` block; then its tasks are gone. It begins and
    ends within a fraction of a second, has the defaults of `idstatus-server --help` whatever
    the environment says, and leaves signals alone.

    With a grpcio older than 1.80, asyncio logs a BlockingIOError now and then where a process
    has two event loops, as it has with this server and an `AsyncClient`. It is harmless.

    Attributes:
        address: Where it listens.
    """

    address: str
    _running: Future[None]
    _stop: Callable[[], object]

    def __enter__(self) -> Self:
        listening: Future[str] = Future()
        thread = ThreadPoolExecutor(1, thread_name_prefix="idstatus-server")
        self._running = thread.submit(lambda: asyncio.run(self._serve(listening)))
        thread.shutdown(wait=False)
        either: tuple[Future[Any], ...] = (listening, self._running)
        wait(either, return_when=FIRST_COMPLETED)
        if not listening.done():
            self._running.result()  # raises why
        self.address = listening.result()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._running.done():
            self._stop()
        self._running.result()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.__exit__)

    async def _serve(self, listening: Future[str]) -> None:
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        self._stop = lambda: loop.call_soon_threadsafe(told.set_result, None)

        def listens(bound: Sequence[str]) -> asyncio.Future[None]:
            listening.set_result(bound[0])
            return told

        server = await serve(config.read(_FLAGS, environ={}), listens)
        await server.stop()

"""The thread that waits for the disk."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Job = tuple[Callable[[], object], "asyncio.Future[None]"]


class Disk:
    """Runs one job after the other, away from the event loop that made it.

    An executor would do, but it passes the end of a job on through three futures, each in a
    round of the event loop of its own, in which others have their turn: a watcher hears of a
    commit so much later.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[], object]) -> None:
        """Run a job, or raise what it raises. Whoever is cancelled still waits for its end."""
        try:
            await self._put(job)
        except asyncio.CancelledError:
            await self._put(lambda: None)  # which comes after it
            raise

    def close(self) -> None:
        """End the thread once its jobs are done."""
        self._jobs.put(None)
        self._thread.join()

    def _put(self, job: Callable[[], object]) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.put((job, done))
        return done

    def _work(self) -> None:
        while taken := self._jobs.get():
            job, done = taken
            error = None
            try:
                job()
            except BaseException as caught:  # noqa: BLE001  # whoever waits for it is told
                error = caught
            done.get_loop().call_soon_threadsafe(_end, done, error)


def _end(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error:
        done.set_exception(error)
    else:
        done.set_result(None)

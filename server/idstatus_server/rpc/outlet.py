"""What is written to a stream, and how long its client may take to take it."""

import asyncio
import logging

from google.protobuf.message import Message

from idstatus_server.alarm import Alarm
from idstatus_server.errors import WatcherTooSlowError
from idstatus_server.rpc.guard import Context
from idstatus_server.tracing import current

_log = logging.getLogger(__name__)

# How long one may take nothing while its stream is to end, in seconds: a draining server refuses
# all others meanwhile, and they give up after some 3 s.
_HASTE = 1.0


class Outlet:
    """Writes messages, and gives up on a peer that takes nothing for ``patience`` seconds.

    It is for the task that makes it. With the first message the span of the stream ends, for
    that of a stream is its opening.
    """

    def __init__(self, context: Context, patience: float) -> None:
        self._context = context
        self._patience = patience
        self._alarm = Alarm(self._give_up)
        self._loop = asyncio.get_running_loop()
        self._writer = asyncio.current_task()
        self._late = False
        self._opening = current.get()

    async def send(self, message: Message | bytes) -> None:
        """Write one message.

        Raises:
            WatcherTooSlowError: the peer took nothing.
        """
        self._alarm.set(self._loop.time() + self._patience)
        try:
            await self._context.write(message)
            self._opening.end()
        except asyncio.CancelledError:
            if self._late and self._writer and not self._writer.uncancel():
                raise self._too_slow() from None
            raise
        finally:
            self._alarm.off()

    def end(self, _: Exception) -> None:
        """Make haste: the stream is to end."""
        self._patience = min(self._patience, _HASTE)
        self._alarm.hasten(self._loop.time() + self._patience)

    def close(self) -> None:
        """Let go of the timer."""
        self._alarm.close()

    def _give_up(self) -> None:
        if self._writer:
            self._late = True
            self._writer.cancel()

    def _too_slow(self) -> WatcherTooSlowError:
        seconds = f"{self._patience:g}"
        _log.warning("a stream is ended: its client takes nothing for %s s", seconds)
        return WatcherTooSlowError(
            f"nothing was taken from the stream for {seconds} s", seconds=seconds
        )

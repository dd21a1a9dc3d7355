"""A worker's end of the line."""

import asyncio
import socket
from contextlib import suppress

LISTENS = "listens"


class Parent:
    """A worker's line to its parent."""

    def __init__(self, line: int) -> None:
        self._line = socket.socket(fileno=line)

    def tell(self, said: str) -> None:
        """Say something in one line; a parent that is gone does not hear it."""
        line = " ".join(said.splitlines())
        with suppress(OSError):
            self._line.sendall(f"{line}\n".encode())

    def watch(self, told: asyncio.Future[None]) -> None:
        """Say that this worker listens, and tell it to stop once the parent is gone."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_reader(self._line)
            if not told.done():
                told.set_result(None)

        loop.add_reader(self._line, stop)
        self.tell(LISTENS)

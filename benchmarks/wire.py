"""A gRPC client that only sends frames and counts what comes back.

    .venv/bin/python benchmarks/wire.py ADDRESS       how often a running server answers

A client of grpcio costs as much CPU as the server that it calls, so it would measure itself.
This one sends requests that are encoded already and decodes nothing: some 10 microseconds a call.
Whoever wants to know what a message says is handed its bytes.
"""

import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from frames import WIDEST, Call, Connection, WireError

C = TypeVar("C", bound=Connection)
_LIMIT = 60.0
# Streams that begin together; gRPC cancels those that have to wait for half a minute.
_AT_ONCE = 200


class Pool(Generic[C]):
    """Several connections, served by whoever calls ``turn``."""

    def __init__(self, connections: Sequence[C]) -> None:
        self.connections = connections
        self._epoll = select.epoll()
        self._of = {connection.socket.fileno(): connection for connection in connections}
        for number in self._of:
            self._epoll.register(number, select.EPOLLIN)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._epoll.close()
        for connection in self.connections:
            connection.socket.close()

    def flush(self) -> None:
        """Send what was begun."""
        for connection in self.connections:
            connection.flush()

    def turn(self, patience: float) -> None:
        """Handle what comes; return when something came, or after so many seconds."""
        for number, _ in self._epoll.poll(patience):
            self._of[number].receive()


class Wire(Pool[Connection]):
    """Several connections to one server, and what is done with them."""

    def __init__(self, address: str, connections: int = 1, window: int = WIDEST) -> None:
        super().__init__([Connection(address, window) for _ in range(connections)])

    def run(self, seconds: float) -> None:
        """Handle what comes for so long."""
        self.flush()
        ends = time.perf_counter() + seconds
        while (left := ends - time.perf_counter()) > 0:
            self.turn(left)

    def until(self, done: Callable[[], bool]) -> None:
        """Handle what comes until something is true, and insist that it comes to it."""
        self.flush()
        ends = time.perf_counter() + _LIMIT
        while not done():
            if time.perf_counter() > ends:
                raise WireError(f"nothing came of it within {_LIMIT:g} s")
            self.turn(1.0)

    def open(self, count: int, start: Callable[[Connection, int], Call]) -> None:
        """Start so many streams, some at a time, and wait until each has sent something."""
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, count))
            connections = self.connections
            calls = [start(connections[n % len(connections)], n) for n in numbers]
            self.until(lambda calls=calls: all(call.messages for call in calls))  # type: ignore[misc]

    def ask(self, path: str, request: bytes) -> bytes:
        """Make one call and return its answer."""
        answers: list[bytes] = []
        ended: list[bool] = []
        self.connections[0].start(path, request, answers.append, lambda: ended.append(True))
        self.until(lambda: bool(ended))
        return answers[0]

    @contextmanager
    def flood(self, path: str, request: Callable[[], bytes], callers: int) -> Iterator["Flood"]:
        """Keep so many calls in flight while the wire is run; each follows on another's end."""
        flood = Flood(path, request)
        for number in range(callers):
            flood.begin(self.connections[number % len(self.connections)])
        yield flood
        flood.on = False
        self.until(lambda: flood.done == flood.begun)


class Flood:
    """Calls of one kind that follow one another; ``done`` of those ``begun`` have ended."""

    def __init__(self, path: str, request: Callable[[], bytes]) -> None:
        self.begun = self.done = 0
        self.on = True
        self._path = path
        self._request = request

    def begin(self, connection: Connection) -> None:
        """Let one caller call on a connection, again and again."""

        def call() -> None:
            self.begun += 1
            connection.start(self._path, self._request(), on_end=again)

        def again() -> None:
            self.done += 1
            if self.on:
                call()

        call()


def main() -> None:
    """Ask a server for its queues for a second, 64 callers at once."""
    path = "/idstatus.v1.QueueService/ListQueues"
    with Wire(sys.argv[1], 4) as wire, wire.flood(path, bytes, 64) as flood:
        wire.run(0.2)
        before, spent, start = flood.done, time.process_time(), time.perf_counter()
        wire.run(1.0)
        seconds = time.perf_counter() - start
        share = (time.process_time() - spent) / seconds
        print(f"{(flood.done - before) / seconds:.0f} calls/s, {share:.0%} of a core here")


if __name__ == "__main__":
    main()

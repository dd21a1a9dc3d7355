"""A slow wire before PostgreSQL: passes everything on later, and counts the round trips."""

import queue
import socket
import sys
import threading
import time
from pathlib import Path

_CHUNK = 1 << 20


class Wire:
    """Listens on a unix socket; what comes in goes out to another one after a delay."""

    def __init__(self, path: Path, target: Path, delay: float) -> None:
        self._target = str(target)
        self._delay = delay
        self.requests = 0
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        path.chmod(0o777)
        self._door.listen()

    def serve(self) -> None:
        """Take connections for ever."""
        while True:
            near, _ = self._door.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            for source, sink in ((near, far), (far, near)):
                self._pump(source, sink, counted=source is near)

    def _pump(self, source: socket.socket, sink: socket.socket, *, counted: bool) -> None:
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def take() -> None:
            data = b"x"
            while data:
                try:
                    data = source.recv(_CHUNK)
                except OSError:
                    data = b""
                self.requests += counted and bool(data)
                waiting.put((time.perf_counter() + self._delay, data))

        def give() -> None:
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.perf_counter()))
                try:
                    if not data:
                        sink.shutdown(socket.SHUT_RDWR)
                        return
                    sink.sendall(data)
                except OSError:
                    return

        for job in (take, give):
            threading.Thread(target=job, daemon=True).start()


def main() -> None:
    """Be a wire: python delay.py PATH TARGET SECONDS; at each line of input, say the count."""
    path, target, delay = sys.argv[1:]
    wire = Wire(Path(path), Path(target), float(delay))
    threading.Thread(target=wire.serve, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(wire.requests, flush=True)


if __name__ == "__main__":
    main()

"""What the peers share: what is asked of them, what they run on, and the line that they print.

Each is a program and imports this first: it puts what lies beside this folder in reach.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))  # where database.py is
CORES = len(os.sched_getaffinity(0))
PAYLOAD = "x" * 100
WARM_UP = 100  # tasks beforehand, not measured: connections are made, statements prepared
BATCH = 1000
CALLERS = 10  # who enqueue at the same time, one task a call, where the peer's API is asynchronous


def asked(*, on_redis: bool = False) -> argparse.Namespace:
    """Return what the command line asks for; from here on SIGTERM, too, stops what was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks", type=int)
    parser.add_argument(
        "--unary", action="store_true", help="enqueue each task by a call of its own"
    )
    if on_redis:
        parser.add_argument("--fsync", action="store_true", help="Redis answers when it is on disk")
    return parser.parse_args()


def program(name: str, package: str, beside: Path | None = None) -> str:
    """Return the path of a program that must be there, in the PATH or else ``beside``."""
    path = shutil.which(name) or shutil.which(name, path=beside)
    if not path:
        raise SystemExit(f"{name} is missing: install {package}")
    return path


def patience(tasks: int = 0) -> float:
    """Return how many seconds to wait at most for a start, and for so many tasks to be done."""
    return 60 + tasks / 10


def until(holds: Callable[[], object], *, tasks: int = 0) -> None:
    """Return once it holds: that something has started, or that so many tasks are done."""
    ends = time.monotonic() + patience(tasks)
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit("waited for too long")
        time.sleep(0.02)


@contextmanager
def running(*command: object, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with the peers' own modules in reach; if all fails, its log is shown."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | {"PYTHONPATH": str(HERE)} | environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode())
            raise
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it, its children too: it is given the time to end them itself."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def redis_server() -> str:
    """Return the path of a Redis: the one that is installed, or the one of `make bench`."""
    beside = Path(sys.prefix, "redis", "bin")
    return program("redis-server", "Redis (on Debian: apt-get install redis-server)", beside)


@contextmanager
def redis(*, fsync: bool) -> Iterator[Path]:
    """Run a Redis on a unix socket, as it is by default or with each write on disk."""
    server = redis_server()
    durable = ("--appendonly", "yes", "--appendfsync", "always") if fsync else ()
    with tempfile.TemporaryDirectory(prefix="idstatus-bench-") as folder:
        socket = Path(folder, "redis.sock")
        with running(server, "--port", 0, "--unixsocket", socket, "--dir", folder, *durable):
            until(socket.exists)
            yield socket


def versions(*packages: str, **others: str) -> dict[str, str]:
    """Return the versions of Python packages, beside those of other things."""
    return {name: importlib.metadata.version(name) for name in packages} | others


def tell(peer: str, tasks: int, seconds: float, **about: Any) -> None:
    """Print the one line of JSON that tells of a run."""
    told = {"peer": peer, **about, "tasks": tasks, "seconds": round(seconds, 3)}
    print(json.dumps(told | {"tasks_per_second": round(tasks / seconds, 1)}))


def tell_on_redis(
    asked: argparse.Namespace,
    peer: str,
    seconds: float,
    *,
    packages: Sequence[str],
    settings: dict[str, Any],
    promises_less: Sequence[str],
) -> None:
    """Print the line of a run on Redis, with what that Redis is and does with what it is given."""
    said = subprocess.check_output([redis_server(), "--version"], text=True)
    redis = said.split("v=")[1].split()[0]
    how, less = "as it is by default: no fsync", ["answers before anything is on disk"]
    if asked.fsync:
        peer, how, less = f"{peer}, fsync", "appendonly yes, appendfsync always", []
    tell(
        peer,
        asked.tasks,
        seconds,
        versions=versions(*packages, **{"redis-server": redis}),
        settings=settings | {"Redis": how},
        promises_less=[*less, *promises_less],
    )

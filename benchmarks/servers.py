"""Starts servers on a core of their own and tells what they use."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def cores() -> tuple[set[int], set[int]]:
    """Return the cores of the server, and those of everybody else."""
    usable = sorted(os.sched_getaffinity(0))
    return ({usable[0]}, set(usable[1:])) if len(usable) > 1 else (set(usable), set(usable))


def cpu_of(pid: int) -> float:
    """Return how many seconds of CPU a process has used."""
    return time.clock_gettime(~pid << 3 | 2)  # its clock, as clock_getcpuclockid(3) names it


def memory_of(pid: int, name: str = "VmRSS") -> int:
    """Return how many bytes of memory a process has, or, as VmHWM, had at most."""
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    address: str
    pid: int

    @property
    def cpu(self) -> float:
        """How many seconds of CPU it and its workers have used."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return cpu_of(self.pid) + sum(cpu_of(int(child)) for child in children)

    @property
    def waited(self) -> float:
        """How many seconds it was kept off its core by others."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    @property
    def memory(self) -> int:
        """How many bytes of memory it has."""
        return memory_of(self.pid)


@contextmanager
def started(command: Sequence[str | Path], on: set[int]) -> Iterator[Server]:
    """Start a server on some cores; it says in its first line where it listens."""
    pinned = ["taskset", "-c", ",".join(map(str, on)), sys.executable, *command]
    with subprocess.Popen(pinned, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = re.search(r"listens on ([^,\s]+)", process.stdout.readline())
            assert address, f"{command!r} has failed"
            yield Server(address[1], process.pid)
        finally:
            process.terminate()


@contextmanager
def idstatus(store: str, on: set[int], *flags: str) -> Iterator[Server]:
    """Start our server as it comes: what it does is set by flags only."""
    command = ("-m", "idstatus_server", "--listen", "127.0.0.1:0", "--store", store)
    quiet = ("--log-level", "warning")
    with started((*command, *quiet, *flags), on) as server:
        yield server


@contextmanager
def floor(on: set[int]) -> Iterator[Server]:
    """Start the empty server."""
    with started((Path(__file__).with_name("floor.py"),), on) as server:
        yield server

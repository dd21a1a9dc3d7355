import asyncio
import errno
import os
import time
from pathlib import Path

import pytest
from cli.program import is_alive, until

from idstatus.cli.execution.child import Child


def start(script: str, *arguments: str) -> Child:
    return Child.start(("sh", "-c", script, "-", *arguments), os.environ, "")


def is_there(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def test_a_cancellation_leaves_nothing_running_and_nothing_unreaped(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def run() -> None:
        async with start("trap '' TERM HUP; sleep 600 & echo $$ $! > $1; wait", str(pids)) as child:
            await child.exits_within(600)

    running = asyncio.create_task(run())
    while not (pids.exists() and pids.read_text().endswith("\n")):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    leader, follower = (int(pid) for pid in pids.read_text().split())
    assert not is_there(leader)
    assert not is_alive(follower)


async def test_no_file_descriptor_is_left_behind() -> None:
    before = open_files()
    async with start("echo hello") as child:
        await child.exits_within(600)
    with pytest.raises(FileNotFoundError):
        Child.start(("/no/such/program",), {}, "")
    assert (bytes(child.output), child.exit_status, child.signal) == (b"hello\n", 0, None)
    assert not open_files() - before


async def test_a_process_that_cannot_be_watched_is_not_left_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []

    def no_room(pid: int) -> int:
        started.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", no_room)
    with pytest.raises(OSError, match="Too many open files"):
        start("sleep 600")
    assert not is_there(started[0])


async def test_a_process_that_leaves_its_session_does_not_hold_up_the_end(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = "setsid sh -c 'echo $$ > $1; exec yes' - $1 & until test -s $1; do :; done"
    began = time.monotonic()
    async with start(script, str(pid)) as child:
        assert await child.exits_within(60)
    assert child.exit_status == 0
    assert time.monotonic() - began < 60
    # Nobody reads what it prints any more.
    until(lambda: not is_alive(int(pid.read_text())))

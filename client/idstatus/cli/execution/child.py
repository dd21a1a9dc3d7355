"""One program that runs, with all that it starts."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from idstatus.cli.execution import session

# How much of the output's end is kept.
_TAIL = 64 * 1024
_CHUNK = 64 * 1024
_MOST_READS = 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5


class Child:
    """A process in a session of its own, so that signals reach all that it starts.

    Use it in an `async with` block, at whose end nothing of it runs any more. Until then it is
    not reaped, even when it has exited: so its pid, which is also the session's, stays its own.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", output_fd: int) -> None:
        self.output = bytearray()
        """The end of what it has printed."""
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()
        # Readable once the process has exited. Unlike a wait for it, this does not reap it.
        self._exit_fd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._exit_fd, self._on_exit)
        self._output_fd = output_fd
        self._loop.add_reader(self._output_fd, self._on_output)

    @classmethod
    def start(cls, argv: tuple[str, ...], env: Mapping[str, str], cwd: str) -> Self:
        """Start a program.

        Raises:
            OSError: It cannot be started.
        """
        output_fd, its_output = os.pipe()
        os.set_blocking(output_fd, False)
        try:
            process = subprocess.Popen(  # noqa: S603  # --allow-exec says so
                argv,
                env=env,
                cwd=cwd or None,
                stdin=subprocess.DEVNULL,
                stdout=its_output,
                stderr=its_output,
                start_new_session=True,
            )
            return cls._adopt(process, output_fd)
        except OSError:
            os.close(output_fd)
            raise
        finally:
            os.close(its_output)

    @classmethod
    def _adopt(cls, process: "subprocess.Popen[bytes]", output_fd: int) -> Self:
        try:
            return cls(process, output_fd)
        except OSError:  # too many open files
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    @property
    def exit_status(self) -> int | None:
        """After the block: its exit status; None if a signal ended it."""
        return code if (code := self._process.returncode) >= 0 else None

    @property
    def signal(self) -> int | None:
        """After the block: the signal that ended it; None if it exited."""
        return -code if (code := self._process.returncode) < 0 else None

    async def exits_within(self, seconds: float) -> bool:
        """Wait for its exit, and tell whether it came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._exited.wait()
        return self._exited.is_set()

    def memory(self) -> int:
        """Return how many bytes of memory it and all that it started take."""
        return sum(member.resident for member in session.members(self._process.pid))

    def terminate(self) -> None:
        """Ask it, and all in its process group, to end."""
        self._signal_group(signal.SIGTERM)

    async def kill(self) -> None:
        """End it and all that it started, and return once nothing of it is left."""
        # Spares no thread of a process whose first thread has ended: it looks dead in /proc.
        self._signal_group(signal.SIGKILL)
        pause = _FIRST_PAUSE
        while session.kill(self._process.pid):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        await self._exited.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        try:
            await self.kill()
        finally:
            self._close()

    def _signal_group(self, number: int) -> None:
        # A program that has changed its user, such as sudo, is out of reach.
        with suppress(PermissionError):
            os.killpg(self._process.pid, number)

    def _close(self) -> None:
        # What was printed just before the end. A process that left the session may go on printing.
        for _ in range(_MOST_READS):
            if not self._on_output():
                break
        for fd in (self._exit_fd, self._output_fd):
            self._loop.remove_reader(fd)
            os.close(fd)
        self._process.poll()

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._exit_fd)
        self._exited.set()

    def _on_output(self) -> bool:
        """Read what was printed; whether there may be more."""
        try:
            chunk = os.read(self._output_fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._loop.remove_reader(self._output_fd)
        self.output = (self.output + chunk)[-_TAIL:]
        return bool(chunk)

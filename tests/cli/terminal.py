"""A pseudo-terminal with a program in it."""

import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

import pexpect
import pyte
from cli.program import ENVIRON, LIMIT
from pexpect.fdpexpect import fdspawn

COLUMNS, LINES = 160, 50

# Makes the terminal on stdin the program's own, so that Ctrl-C reaches it. pexpect.spawn does so
# between fork and exec, in Python, which may crash beside gRPC's threads.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """Runs a program in a terminal; use it in a `with` block."""

    def __init__(
        self, *command: str, columns: int = COLUMNS, environ: Mapping[str, str] = ENVIRON
    ) -> None:
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (LINES, columns))
        self._fd = ours
        self._spawn = fdspawn(ours, timeout=LIMIT, encoding="utf-8")
        self._screen = pyte.Screen(columns, LINES)
        self._stream = pyte.Stream(self._screen)
        self._process = subprocess.Popen(
            [sys.executable, "-ISc", _TAKE_TERMINAL, *command],
            stdin=its,
            stdout=its,
            stderr=its,
            env=environ,
            start_new_session=True,
        )
        os.close(its)

    def shows(self, pattern: str) -> str:
        """Return what matches a pattern, once it is shown."""
        self._spawn.expect(pattern)
        return str(self._spawn.after)

    def looks(self, *patterns: str) -> list[str]:
        """Return the lines on the screen once they match all the patterns."""
        end = time.monotonic() + LIMIT
        while not all(re.search(pattern, "\n".join(self._lines())) for pattern in patterns):
            assert time.monotonic() < end, "\n".join(self._lines())
            with suppress(pexpect.TIMEOUT):
                self._stream.feed(self._spawn.read_nonblocking(65536, timeout=1))
        return self._lines()

    def _lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size."""
        self._screen.resize(lines, columns)
        termios.tcsetwinsize(self._fd, (lines, columns))

    def types(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def ctrl_c(self) -> None:
        """Press Ctrl-C."""
        self.types("\x03")

    def ends(self) -> tuple[int, str]:
        """Return the program's exit status, once it has ended, and what was not yet read."""
        self._spawn.expect(pexpect.EOF)
        return self._process.wait(LIMIT), str(self._spawn.before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


def screen(output: str) -> list[str]:
    """Return what a terminal shows after some output."""
    shown = pyte.Screen(COLUMNS, LINES)
    pyte.Stream(shown).feed(output)
    return [line.rstrip() for line in shown.display]

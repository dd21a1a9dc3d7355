"""The keys that are pressed on a terminal."""

import os
import re
import select
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

# What the keys beyond characters send: xterm, "PC-Style Function Keys".
_NAMES = {"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "\t": "tab"}
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)


@contextmanager
def each_key(fd: int) -> Iterator[None]:
    """Let keys come one by one and unseen; in the end the terminal is as it was."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def pressed(fd: int, within: float) -> list[str]:
    """Return the keys that are pressed within so many seconds, as soon as there is one.

    A terminal that is gone says q.
    """
    if not select.select([fd], [], [], within)[0]:
        return []
    text = os.read(fd, 1024).decode(errors="replace") or "q"
    return [_NAMES.get(key, key) for key in _KEY.findall(text)]

"""The processes of a session: a program, and what it started."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_DEAD = (b"Z", b"X")


@dataclass(frozen=True, slots=True)
class Member:
    """A process that is alive."""

    pid: int
    resident: int
    """How many bytes of memory it takes."""


def members(session: int) -> list[Member]:
    """Return the processes of a session that are alive, whatever their process groups."""
    return [member for entry in _processes() if (member := _member(entry, session))]


def kill(session: int) -> bool:
    """Kill all processes of a session; whether there were any."""
    found = members(session)
    for member in found:
        # Gone meanwhile, or somebody else's since it changed its user: then we can only wait.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member.pid, signal.SIGKILL)
    return bool(found)


def _processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _member(entry: Path, session: int) -> Member | None:
    try:
        stat = (entry / "stat").read_bytes()
    except OSError:  # gone meanwhile
        return None
    # The name comes second, in parentheses, and may itself hold any byte; see proc(5).
    state, _parent, _group, its_session, *rest = stat[stat.rindex(b")") + 2 :].split()
    if int(its_session) != session or state in _DEAD:
        return None
    return Member(int(entry.name), int(rest[17]) * _PAGE)

"""Who calls, and in which queues: what every room may ask about the caller at hand.

Roles are not a ladder: each call names those that may make it (``rpc/roles.py``). A grant
is a role in the queues whose names match its patterns, in which ``*`` stands for any
characters.
"""

import math
import re
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from idstatus_server.errors import (
    CallerChangedError,
    CredentialsExpiredError,
    NotPermittedError,
    TaskNotFoundError,
)

PATTERN = re.compile(r"[a-z0-9._*-]{1,64}")
# What is longer is no queue's name, and is not held against patterns: that could take long.
_LONGEST = 64
ALL = ("*",)


class Role(StrEnum):
    """What one may do in a queue."""

    VIEWER = "viewer"
    PRODUCER = "producer"
    RUNNER = "runner"
    OPERATOR = "operator"
    ADMIN = "admin"


class Grant(NamedTuple):
    """A role in the queues that match any of the patterns."""

    role: Role
    queues: tuple[str, ...] = ALL


def matches(patterns: Sequence[str], queue: str) -> bool:
    """Tell whether a queue's name matches any of the patterns."""
    if patterns == ALL:
        return True
    return len(queue) <= _LONGEST and _compiled(tuple(patterns)).fullmatch(queue) is not None


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(p).replace(r"\*", ".*") for p in patterns) or r"(?!)")


class CallerLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one caller may have of one server process; 0 is no limit. ``rate`` is calls a second."""

    rate: Annotated[float, Meta(ge=0)] = 0
    in_flight: Annotated[int, Meta(ge=0)] = 0
    watches: Annotated[int, Meta(ge=0)] = 0


@dataclass(slots=True, eq=False)
class Standing:
    """Whether what we were told of someone still holds, or has ``changed`` since they came."""

    changed: bool = False


class Principal(NamedTuple):
    """Who was recognized. ``expires`` is when their credentials do, in Unix seconds."""

    name: str
    standing: Standing
    grants: tuple[Grant, ...] = ()
    expires: float = math.inf

    def queues(self, roles: Iterable[Role]) -> tuple[str, ...]:
        """Return the patterns of the queues in which they hold one of the roles."""
        wanted = set(roles)
        return _union(grant.queues for grant in self.grants if grant.role in wanted)


def _union(patterns: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    found = dict.fromkeys(pattern for some in patterns for pattern in some)
    return ALL if "*" in found else tuple(found)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes this call: in which queues they may make it, and of which they may know at all.

    Without a name everyone may do everything: the server was told of nobody.
    """

    name: str = ""
    allowed: tuple[str, ...] = ALL
    visible: tuple[str, ...] = ALL
    expires: float = math.inf
    limits: CallerLimits = CallerLimits()
    standing: Standing = field(default_factory=Standing)

    def left(self) -> float:
        """Return for how many seconds their credentials are still valid."""
        return max(0.0, self.expires - time.time())

    def stay(self) -> None:
        """Refuse to go on with what was let in by what no longer holds.

        Raises:
            CallerChangedError: we were told otherwise since.
            CredentialsExpiredError: their credentials have run out.
        """
        if self.standing.changed:
            raise CallerChangedError
        if not self.left():
            raise CredentialsExpiredError

    def sees(self, queue: str) -> bool:
        """Tell whether they may know what is in a queue."""
        return matches(self.visible, queue)

    def may(self, queue: str) -> bool:
        """Tell whether they may make this call in a queue."""
        return matches(self.allowed, queue)

    def enter(self, queue: str) -> None:
        """Refuse a queue in which they may not make this call, whether or not it exists.

        Raises:
            NotPermittedError: they may not.
        """
        if not self.may(queue):
            said = queue[:_LONGEST]
            raise NotPermittedError(f"you may not do this in queue {said}", queue=said)

    def touch(self, task_id: str, queue: str) -> None:
        """Refuse a task of a queue in which they may not make this call.

        Raises:
            TaskNotFoundError: they may not know that there is such a task.
            NotPermittedError: they may know.
        """
        if not self.sees(queue):
            raise TaskNotFoundError(task_id)
        self.enter(queue)


ANYONE = Caller()
caller = ContextVar("caller", default=ANYONE)


def caller_of(principal: Principal, roles: Iterable[Role], limits: CallerLimits) -> Caller:
    """Return the caller of something for which one of the roles is needed."""
    return Caller(
        name=principal.name,
        allowed=principal.queues(roles),
        visible=principal.queues(Role),
        expires=principal.expires,
        limits=limits,
        standing=principal.standing,
    )

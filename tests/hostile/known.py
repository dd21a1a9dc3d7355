"""What the server has told, to be used rightly and wrongly."""

from collections import deque
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as F
from hostile.methods import is_map

_NAMES = ("id", "next_page_token", "resume_token")
_KEPT = 500


class Known:
    """The ids, tokens and leases seen last."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[str]] = {name: deque(maxlen=_KEPT) for name in _NAMES}
        self._leases: deque[tuple[str, str]] = deque(maxlen=_KEPT)

    def id(self, draw: Random) -> str:
        """Return a task's id; sometimes one that is nobody's."""
        return _one(draw, self._seen["id"]) or "nobody"

    def token(self, draw: Random) -> str:
        """Return a page token or a resume token, or "" if none was seen yet."""
        return _one(draw, self._seen[draw.choice(("next_page_token", "resume_token"))])

    def lease(self, draw: Random) -> tuple[str, str]:
        """Return the id and the lease token of a task that was claimed."""
        return draw.choice(self._leases) if self._leases else ("nobody", "none")

    def learn(self, message: Any) -> None:
        """Take note of what is in an answer."""
        for field, value in message.ListFields():
            if field.name in self._seen:
                self._seen[field.name].append(value)
            elif field.type == F.TYPE_MESSAGE and not is_map(field):
                for inner in (value,) if not field.is_repeated else value[:3]:
                    self.learn(inner)
        if message.DESCRIPTOR.name == "Claim":
            self._leases.append((message.task.id, message.lease_token))


def _one(draw: Random, seen: deque[str]) -> str:
    return draw.choice(seen) if seen else ""

"""What makes a repeated request safe."""

from typing import NamedTuple

from idstatus_server.engine.draft import Draft
from idstatus_server.model import Answer
from idstatus_server.store.base import Remembered


class RequestKey(NamedTuple):
    """A request's id, as its caller chose it, and the fingerprint of its body."""

    request_id: str = ""
    fingerprint: bytes = b""

    @property
    def needed(self) -> frozenset[str]:
        """What a command must load to know a repeat."""
        return frozenset({self.request_id} if self.request_id else ())

    def answered(self, draft: Draft) -> Answer | None:
        """Return what it was answered before, or raise RequestIdReusedError."""
        return draft.answered(self.request_id, self.fingerprint)

    def remember(self, draft: Draft, answer: Answer) -> None:
        """Remember the answer for its repeats."""
        if self.request_id:
            draft.remember(self.request_id, Remembered(self.fingerprint, answer))

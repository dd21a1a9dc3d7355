"""What makes a repeated request safe."""

from typing import NamedTuple

from idstatus_server.engine.draft import Draft
from idstatus_server.errors import RequestIdReusedError
from idstatus_server.model import Answer
from idstatus_server.store.base import Remembered


class RequestKey(NamedTuple):
    """A request's id, as its caller chose it, and the fingerprint of its body.

    Callers who are known by name have their ids to themselves.
    """

    request_id: str = ""
    fingerprint: bytes = b""
    caller: str = ""

    @property
    def _known_as(self) -> str:
        """What it is remembered as; no request id holds a slash."""
        return f"{self.caller}/{self.request_id}" if self.caller else self.request_id

    @property
    def needed(self) -> frozenset[str]:
        """What a command must load to know a repeat."""
        return frozenset({self._known_as} if self.request_id else ())

    def answered(self, draft: Draft) -> Answer | None:
        """Return what it was answered before, or raise RequestIdReusedError."""
        known = draft.answer_to(self._known_as) if self.request_id else None
        if known and known.fingerprint != self.fingerprint:
            raise RequestIdReusedError(self.request_id)
        return known.answer if known else None

    def remember(self, draft: Draft, answer: Answer) -> None:
        """Remember the answer for its repeats."""
        if self.request_id:
            draft.remember(self._known_as, Remembered(self.fingerprint, answer))

"""What makes a repeated request safe."""

from typing import NamedTuple

from idstatus_server.engine.draft import Draft
from idstatus_server.store.base import Answer


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

    def remember(self, draft: Draft, ids: tuple[str, ...], total: int = 0) -> None:
        """Remember the answer for its repeats."""
        draft.remember(self.request_id, Answer(self.fingerprint, ids, total))

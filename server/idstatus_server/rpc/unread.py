"""Bounds the answers that are kept for clients which do not read them."""

from collections import Counter

from idstatus_server.errors import OverloadedError

# In bytes. Once all connections together have left so much unread, each may have one answer at
# a time, so that those who read are always served.
_MOST, _MOST_OF_ONE = 256 << 20, 64 << 20


class Unread:
    """Counts the bytes of unary answers that are not sent yet, in all and for each connection."""

    def __init__(self) -> None:
        self._total = 0
        self._of: Counter[str] = Counter()

    def add(self, peer: str, size: int) -> None:
        """Count an answer; once it is sent, or its client is gone, it is to be taken off.

        Raises:
            OverloadedError: too much is unread; what was asked is done.
        """
        unread = self._of[peer]
        if unread + size > _MOST_OF_ONE or (unread and self._total + size > _MOST):
            raise OverloadedError(
                f"the client has left {unread} bytes of answers unread, so this one was dropped; "
                "what was asked is done: if it was a change, repeat it with the same request_id",
                unread=unread,
            )
        self._total += size
        self._of[peer] += size

    def take_off(self, peer: str, size: int) -> None:
        """Undo ``add``."""
        self._total -= size
        self._of[peer] -= size
        if not self._of[peer]:
            del self._of[peer]

"""Resume tokens and page tokens: opaque to callers, checked when they come back."""

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

from idstatus_server.errors import InvalidTokenError
from idstatus_server.limits import QUEUE
from idstatus_server.model import Mark
from idstatus_server.watch import Position

_RESUME = struct.Struct(">c8sqqq")
_PAGE = struct.Struct(">c8sqI")
_NAME = struct.Struct(">c8s")
_CHECK = struct.Struct(">I")


class Tokens:
    """Makes and reads the tokens of one store."""

    def __init__(self, store_id: str) -> None:
        self._store = bytes.fromhex(store_id)

    def resume(self, position: Position) -> str:
        """Return the token for a place in a watch."""
        return _seal(_RESUME.pack(b"w", self._store, *position.mark, position.after))

    def position(self, token: str) -> Position:
        """Return the place that a resume token names, or raise InvalidTokenError."""
        _, revision, time, after = self._open(token, b"w", _RESUME.unpack)
        return Position(Mark(revision, time), after)

    def page(self, after: int, arguments: bytes) -> str:
        """Return the token for the page after a ``seq``, bound to the call's arguments."""
        return _seal(_PAGE.pack(b"p", self._store, after, zlib.crc32(arguments)))

    def after(self, token: str, arguments: bytes) -> int:
        """Return the ``seq`` that a page token names, 0 for an empty one.

        Raises:
            InvalidTokenError: it is not ours, or was given for other arguments.
        """
        if not token:
            return 0
        _, after, check = self._open(token, b"p", _PAGE.unpack)
        if check != zlib.crc32(arguments):
            raise InvalidTokenError("the page token was given for other arguments")
        return int(after)

    def name_page(self, name: str) -> str:
        """Return the token for the page after a name."""
        return _seal(_NAME.pack(b"n", self._store) + name.encode())

    def after_name(self, token: str) -> str:
        """Return the name that a page token holds, "" for an empty one."""
        if not token:
            return ""
        _, name = self._open(token, b"n", _unpack_name)
        return str(name)

    def _open(
        self, token: str, kind: bytes, unpack: Callable[[bytes], tuple[Any, ...]]
    ) -> tuple[Any, ...]:
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            body, check = sealed[: -_CHECK.size], sealed[-_CHECK.size :]
            found, store, *rest = unpack(body)
            genuine = found == kind and check == _CHECK.pack(zlib.crc32(body))
            genuine = genuine and not any(isinstance(n, int) and n < 0 for n in rest)
        except (ValueError, struct.error) as error:
            raise InvalidTokenError("this is not a token of this service") from error
        if not genuine:
            raise InvalidTokenError("this is not a token of this service")
        if store != self._store:
            raise InvalidTokenError("the token is of another store")
        return (store, *rest)


def _unpack_name(body: bytes) -> tuple[Any, ...]:
    name = body[_NAME.size :].decode()
    if not QUEUE.fullmatch(name):
        raise ValueError(name)
    return (*_NAME.unpack_from(body), name)


def _seal(body: bytes) -> str:
    return base64.urlsafe_b64encode(body + _CHECK.pack(zlib.crc32(body))).decode().rstrip("=")

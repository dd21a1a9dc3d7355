"""The keys that sign tokens: a JWK set, read again when it is old or lacks a key."""

import asyncio
import logging
import time
from pathlib import Path

import jwt

from idstatus_server.errors import BadCredentialsError, KeysUnavailableError

_log = logging.getLogger(__name__)
# When keys are read again, in seconds; and how long those that name an unknown key cannot make
# us do so.
_OLD, _AGAIN = 300.0, 2.0
_FETCH = 5.0


class Keys:
    """The keys of one issuer, from a file or a URL."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> jwt.PyJWK:
        """Return a key by its id; without an id, the only one there is.

        Raises:
            BadCredentialsError: there is no such key.
            KeysUnavailableError: none were ever read.
        """
        age = time.monotonic() - self._read_at
        if not self._keys or (key_id not in self._keys and age > _AGAIN):
            await self._refresh(_AGAIN)
        elif age > _OLD and not self._background:  # the old ones serve meanwhile
            self._background = asyncio.create_task(self._refresh(_OLD))
            self._background.add_done_callback(self._refreshed)
        if not self._keys:
            raise KeysUnavailableError
        if key_id not in self._keys:
            raise BadCredentialsError
        return self._keys[key_id]

    def _refreshed(self, _: asyncio.Task[None]) -> None:
        self._background = None

    async def _refresh(self, older_than: float) -> None:
        """Read the keys, unless another has just done so. If it fails, those known stay."""
        async with self._lock:
            if time.monotonic() - self._read_at < older_than:
                return
            self._read_at = time.monotonic()
            try:
                found = await asyncio.to_thread(self._read)
            except (OSError, jwt.PyJWTError, ValueError) as error:
                _log.warning("cannot read the keys of tokens from %s: %s", self._source, error)
                return
            self._keys = {key.key_id: key for key in found.keys}
            if len(found.keys) == 1:
                self._keys[None] = found.keys[0]

    def _read(self) -> jwt.PyJWKSet:
        if "://" in self._source:
            return jwt.PyJWKClient(self._source, timeout=_FETCH).get_jwk_set(refresh=True)
        return jwt.PyJWKSet.from_json(Path(self._source).read_text())

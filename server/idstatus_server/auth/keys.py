"""The keys that sign tokens: a JWK set, read again when it is old or lacks a key."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path

import jwt

from idstatus_server.errors import BadCredentialsError, KeysUnavailableError

_log = logging.getLogger(__name__)
# Signatures only, never "none" or a shared secret (RFC 8725, 3.1 and 3.2).
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
# When keys are read again, in seconds; how soon after the last try for one that is not known; and
# how long a try may take.
_OLD, _AGAIN, _LONGEST = 300.0, 2.0, 5.0


class Keys:
    """The keys of one issuer, from a file or a URL. What was read stays while that is away.

    To be made in the event loop: they are read at once, and by the first call most likely there.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried = float("-inf")
        self._away = False
        # One of its own: a source that hangs holds up nobody else.
        self._thread = ThreadPoolExecutor(1, "keys")
        self._reading: asyncio.Task[None] | None = None
        self._read_again()

    def state(self) -> object | None:
        """Return what is the same until the keys are read again, None if that is overdue."""
        since = time.monotonic() - self._tried
        if since > _OLD:
            self._read_again()
        return None if since > 2 * _OLD else self._keys

    async def key(self, key_id: str | None, *, wait: bool) -> jwt.PyJWK:
        """Return a key by its id; without an id, the only one there is.

        Raises:
            BadCredentialsError: there is no such key.
            KeysUnavailableError: that cannot be told while their source is away, or without
                a ``wait``.
        """
        since = time.monotonic() - self._tried
        if since > (_OLD if key_id in self._keys else _AGAIN):
            self._read_again()
        if self._reading and wait and (key_id not in self._keys or since > 2 * _OLD):
            await asyncio.shield(self._reading)  # it is nobody's own: one may go, it goes on
        if key_id in self._keys:
            return self._keys[key_id]
        if self._reading or self._away:
            raise KeysUnavailableError
        raise BadCredentialsError

    def _read_again(self) -> None:
        if self._reading is None:
            # Not in the context of the call that happens to be there.
            self._reading = asyncio.create_task(self._read(), context=Context())

    async def _read(self) -> None:
        """Read the keys; those that were known stay if that fails."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_LONGEST):
                found = await loop.run_in_executor(self._thread, self._fetch)
            self._keys = _by_id(found)
            self._away = False
        except Exception as error:  # noqa: BLE001  # whatever it is, the server goes on without
            self._away = True
            _log.warning("cannot read the keys of tokens from %s: %r", self._source, error)
        finally:
            self._tried = time.monotonic()
            self._reading = None

    def _fetch(self) -> jwt.PyJWKSet:
        if "://" in self._source:
            return jwt.PyJWKClient(self._source, timeout=_LONGEST).get_jwk_set(refresh=True)
        return jwt.PyJWKSet.from_json(Path(self._source).read_text())


def _by_id(found: jwt.PyJWKSet) -> dict[str | None, jwt.PyJWK]:
    """Return the keys for signatures by their ids; the only one, also as that of no id."""
    usable = [
        key
        for key in found.keys
        if key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")
    ]
    keys: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in usable if key.key_id}
    if len(usable) == 1:
        keys[None] = usable[0]
    return keys

"""Recognizes callers by what they show, by the newest state of the file."""

import hashlib
import logging
import time
from collections.abc import Iterable
from contextvars import Context
from pathlib import Path
from typing import Protocol

from idstatus_server.access import CallerLimits, Principal
from idstatus_server.auth.file import AuthFile, TrustedIssuer, parse_grants, read_auth_file
from idstatus_server.errors import BadCredentialsError, NoCredentialsError, StartError

_log = logging.getLogger(__name__)
# How often we look whether the file has changed, in seconds.
_LOOK_AGAIN = 1.0


class _Reader(Protocol):
    async def recognize(self, token: str, digest: str, *, wait: bool) -> Principal: ...


class Authenticator:
    """Knows everyone whom the file names. A change of it counts within a second.

    One that cannot be used does not count: what was read before stays.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            StartError: it cannot be used.
        """
        self._path = path
        self._looked = time.monotonic()
        self._stamp = _stamp(path)
        self._trusted: TrustedIssuer | None = None
        self._jwt: _Reader | None = None
        self._take(read_auth_file(path))

    @property
    def limits(self) -> CallerLimits:
        """What each caller may have."""
        return self._limits

    async def recognize(
        self, token: str | None, certified: Iterable[str], *, wait: bool
    ) -> Principal:
        """Return who shows this token, or whose certificate bears one of these names.

        Without ``wait``, no keys are fetched for it.

        Raises:
            UnauthenticatedError: it is nobody who is known. With a token that is not valid,
                the certificate does not count.
            KeysUnavailableError: whether the token is valid cannot be told now.
        """
        self._look()
        if token is None:
            found = next((self._names[name] for name in certified if name in self._names), None)
            if found is None:
                raise NoCredentialsError
            return found
        # What is looked up is the hash, so how long it takes tells nothing of the token.
        digest = hashlib.sha256(token.encode()).hexdigest()
        if digest in self._tokens:
            return self._tokens[digest]
        if self._jwt:
            return await self._jwt.recognize(token, digest, wait=wait)
        raise BadCredentialsError

    def _look(self) -> None:
        """Read the file again if it has changed."""
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN:
            return
        self._looked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        Context().run(self._read_again)  # what it logs is not of the call at hand

    def _read_again(self) -> None:
        try:
            self._take(read_auth_file(self._path))
            _log.info("%s was read again", self._path)
        except StartError as error:
            _log.error("%s; what it held before stays", error)  # one line says it

    def _take(self, read: AuthFile) -> None:
        # First what may fail. An issuer that is still the same keeps its keys.
        if read.jwt != self._trusted:
            self._jwt = _reader(read.jwt) if read.jwt else None
            self._trusted = read.jwt
        self._tokens = {
            token.sha256: Principal(f"token:{token.name}", parse_grants(token.grants))
            for token in read.tokens
        }
        self._names = {
            known.name: Principal(f"cert:{known.name}", parse_grants(known.grants))
            for known in read.certificates
        }
        self._limits = read.limits


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reader(trusted: TrustedIssuer) -> _Reader:
    try:
        from idstatus_server.auth.bearer import JwtReader  # noqa: PLC0415  # an extra's library
    except ImportError as error:
        raise StartError("tokens of an issuer need PyJWT: pip install 'idstatus[jwt]'") from error
    return JwtReader(trusted)

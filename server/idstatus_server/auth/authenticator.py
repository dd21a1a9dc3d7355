"""Recognizes callers by what they show, by the newest state of the file."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from idstatus_server.access import CallerLimits, Principal, Standing
from idstatus_server.auth.file import (
    AuthFile,
    KnownCertificate,
    KnownToken,
    TrustedIssuer,
    parse_grants,
    read_auth_file,
)
from idstatus_server.errors import BadCredentialsError, NoCredentialsError, StartError

_log = logging.getLogger(__name__)
# How often we look whether the file has changed, in seconds.
_LOOK_AGAIN = 1.0


class _Reader(Protocol):
    standing: Standing

    async def recognize(self, token: str, digest: str, *, wait: bool) -> Principal: ...


class Authenticator:
    """Knows everyone whom the file names."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            StartError: it cannot be used.
        """
        self._path = path
        self._stamp = _stamp(path)
        self._trusted: TrustedIssuer | None = None
        self._jwt: _Reader | None = None
        self._principals: dict[KnownToken | KnownCertificate, Principal] = {}
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

    async def follow(self, changed: Callable[[], None]) -> None:
        """Read the file again each time that it has changed, and tell so; this never ends.

        One that cannot be used does not count: what was read before stays.
        """
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                continue
            self._stamp = stamp
            try:
                self._take(read_auth_file(self._path))
            except Exception as error:  # noqa: BLE001  # whatever is in it, we serve on
                _log.error("%s; what it held before stays", error)
                continue
            _log.info("%s was read again", self._path)
            changed()

    def _take(self, read: AuthFile) -> None:
        # First what may fail. An issuer that is still the same keeps its keys.
        if read.jwt != self._trusted:
            reader = _reader(read.jwt) if read.jwt else None
            if self._jwt:
                self._jwt.standing.changed = True
            self._jwt, self._trusted = reader, read.jwt
        before = self._principals
        entries: list[KnownToken | KnownCertificate] = [*read.tokens, *read.certificates]
        self._principals = {entry: before.get(entry) or _principal(entry) for entry in entries}
        for entry, principal in before.items():
            principal.standing.changed = entry not in self._principals
        self._tokens = {token.sha256: self._principals[token] for token in read.tokens}
        self._names = {known.name: self._principals[known] for known in read.certificates}
        self._limits = read.limits


def _principal(entry: KnownToken | KnownCertificate) -> Principal:
    kind = "token" if isinstance(entry, KnownToken) else "cert"
    return Principal(f"{kind}:{entry.name}", Standing(), parse_grants(entry.grants))


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

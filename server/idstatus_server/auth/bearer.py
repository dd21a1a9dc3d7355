"""JWTs: who signed them, for whom, until when, and what their bearer may do."""

import logging
import time
from typing import Any, NamedTuple

import jwt

from idstatus_server.access import Grant, Principal, Standing
from idstatus_server.auth.file import TrustedIssuer, parse_grants, valid_name
from idstatus_server.auth.keys import ALGORITHMS, Keys
from idstatus_server.errors import BadCredentialsError, CredentialsExpiredError

_log = logging.getLogger(__name__)
# So many tokens are remembered: to verify one costs as much as all else about a call.
_MOST = 10_000


class _Known(NamedTuple):
    """Whose token it was by the keys as they were."""

    principal: Principal
    keys: object


class JwtReader:
    """Reads the tokens of one issuer. All who bear one have the same ``standing``."""

    def __init__(self, trusted: TrustedIssuer) -> None:
        self.standing = Standing()
        self._trusted = trusted
        self._keys = Keys(trusted.keys)
        self._known: dict[str, _Known] = {}

    async def recognize(self, token: str, digest: str, *, wait: bool) -> Principal:
        """Return whose token it is, given its hash, too.

        ``wait`` tells whether keys may have to be fetched for it.

        Raises:
            BadCredentialsError, CredentialsExpiredError: it is not valid.
            KeysUnavailableError: that cannot be told now.
        """
        known, keys = self._known.get(digest), self._keys.state()
        if known and known.keys is keys is not None and known.principal.expires > time.time():
            return known.principal
        principal = await self._verified(token, wait=wait)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = _Known(principal, self._keys.state())
        return principal

    async def _verified(self, token: str, *, wait: bool) -> Principal:
        try:
            key = await self._keys.key(jwt.get_unverified_header(token).get("kid"), wait=wait)
            claims = self._claims(token, key)
            expires = float(claims["exp"]) + self._trusted.skew
            name = valid_name(claims[self._trusted.subject])
        except jwt.ExpiredSignatureError as error:
            raise CredentialsExpiredError from error
        # Not all that an issuer may write is looked at by the library.
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            _log.info("a token is refused: %r", error)
            raise BadCredentialsError from error
        grants = self._grants(claims.get(self._trusted.claim, ()))
        return Principal(f"jwt:{name}", self.standing, grants, expires)

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        trusted = self._trusted
        return jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=trusted.audience,
            issuer=trusted.issuer,
            leeway=trusted.skew,
            options={"require": ["exp", "iss", "aud", trusted.subject]},
        )

    def _grants(self, claim: Any) -> tuple[Grant, ...]:
        """Return what a claim grants; words that mean nothing here grant nothing."""
        words = claim.split() if isinstance(claim, str) else claim
        found: list[Grant] = []
        for word in words if isinstance(words, list | tuple) else ():
            try:
                meant = self._trusted.grants
                found += parse_grants((word,) if meant is None else meant.get(word, ()))
            except (ValueError, TypeError, AttributeError):
                _log.info("a token claims what is no grant")
        return tuple(found)

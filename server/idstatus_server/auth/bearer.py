"""JWTs: who signed them, for whom, until when, and what their bearer may do."""

import logging
from typing import Any

import jwt

from idstatus_server.access import Grant, Principal
from idstatus_server.auth.file import TrustedIssuer, parse_grants, valid_name
from idstatus_server.auth.keys import ALGORITHMS, Keys
from idstatus_server.errors import BadCredentialsError, CredentialsExpiredError

_log = logging.getLogger(__name__)


class JwtReader:
    """Reads the tokens of one issuer."""

    def __init__(self, trusted: TrustedIssuer) -> None:
        self._trusted = trusted
        self._keys = Keys(trusted.keys)

    async def recognize(self, token: str, *, wait: bool) -> Principal:
        """Return whose token it is; ``wait`` tells whether keys may have to be fetched for it.

        Raises:
            BadCredentialsError, CredentialsExpiredError: it is not valid.
            KeysUnavailableError: that cannot be told now.
        """
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
        return Principal(f"jwt:{name}", grants, expires)

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

"""JWTs: who signed them, for whom, until when, and what their bearer may do."""

import logging
from typing import Any

import jwt

from idstatus_server.access import Grant, Principal
from idstatus_server.auth.file import TrustedIssuer, parse_grants
from idstatus_server.auth.keys import Keys
from idstatus_server.errors import BadCredentialsError, CredentialsExpiredError

_log = logging.getLogger(__name__)
# Signatures only, never "none" or a shared secret (RFC 8725, 3.1 and 3.2).
_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
_LONGEST_NAME = 200


class JwtReader:
    """Reads the tokens of one issuer."""

    def __init__(self, trusted: TrustedIssuer) -> None:
        self._trusted = trusted
        self._keys = Keys(trusted.keys)

    async def recognize(self, token: str) -> Principal:
        """Return whose token it is.

        Raises:
            BadCredentialsError, CredentialsExpiredError: it is not valid.
            KeysUnavailableError: that cannot be told now.
        """
        trusted = self._trusted
        try:
            key = await self._keys.key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=trusted.audience,
                issuer=trusted.issuer,
                leeway=trusted.skew,
                options={"require": ["exp", "iss", "aud", trusted.subject]},
            )
        except jwt.ExpiredSignatureError as error:
            raise CredentialsExpiredError from error
        except jwt.PyJWTError as error:
            _log.info("a token is refused: %s", error)
            raise BadCredentialsError from error
        subject = claims[trusted.subject]
        if not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST_NAME:
            raise BadCredentialsError
        grants = self._grants(claims.get(trusted.claim, ()))
        return Principal(f"jwt:{subject}", grants, claims["exp"] + trusted.skew)

    def _grants(self, claim: Any) -> tuple[Grant, ...]:
        """Return what a claim grants; words that mean nothing here grant nothing."""
        words = claim.split() if isinstance(claim, str) else claim
        found: list[Grant] = []
        for word in words if isinstance(words, list | tuple) else ():
            try:
                known = self._trusted.grants.get(word, ()) if self._trusted.grants else (word,)
                found += parse_grants(known)
            except (ValueError, TypeError, AttributeError):
                _log.info("a token claims what is no grant")
        return tuple(found)

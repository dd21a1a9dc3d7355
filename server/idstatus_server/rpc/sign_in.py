"""Lets callers in: who they are and what they may do, before anything else is looked at."""

import asyncio

from idstatus_server.access import ALL, caller, caller_of
from idstatus_server.auth import Authenticator
from idstatus_server.errors import BadCredentialsError, NotPermittedError, UnauthenticatedError
from idstatus_server.rpc.callers import Callers
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.rate import Rate
from idstatus_server.rpc.roles import RULES

_SCHEME = "bearer "
# What of a certificate counts as its holder's name: the common name only if there is no other.
_NAMES = ("x509_subject_alternative_name", "x509_common_name")
# An address whose sign-ins fail gets its answers late: ten a second once fifty have failed, but
# none later than after five seconds, and only so many are kept waiting.
_FAILURES, _SLACK, _LATEST, _MOST_LATE = 10.0, 5.0, 5.0, 1000


class SignIn:
    """Recognizes callers, and knows what they may call. Without an authenticator it asks nobody."""

    def __init__(self, authenticator: Authenticator | None) -> None:
        self.callers = Callers()
        self._authenticator = authenticator
        self._failures = Rate(_SLACK)
        self._late = 0

    @property
    def asks(self) -> bool:
        """Whether anybody is asked who they are."""
        return self._authenticator is not None

    async def admit(self, method: str, context: Context, *, small: bool) -> None:
        """Let the ``caller`` of this task be who makes the call, if they may.

        None but those with a ``small`` request are kept waiting meanwhile: it is held in memory.

        Raises:
            UnauthenticatedError: it is nobody who is known.
            NotPermittedError: they may not call this method, in whichever queue.
            CallerLimitError: they call too often.
            KeysUnavailableError: that cannot be told now.
        """
        rule = RULES[method]
        if self._authenticator is None or rule.open:
            return
        try:
            token = _token(context)
            certified = _names(context) if token is None else ()
            principal = await self._authenticator.recognize(token, certified, wait=small)
        except UnauthenticatedError:
            if small:
                await self._hold_up(context.peer())
            raise
        found = caller_of(principal, rule.roles, self._authenticator.limits)
        caller.set(found)
        if not found.allowed or (rule.everywhere and found.allowed != ALL):
            raise NotPermittedError(
                f"{principal.name} may not call {method}", principal=principal.name, method=method
            )
        self.callers.charge()

    async def _hold_up(self, peer: str) -> None:
        """Let who fails too often wait: against guesses, and clients that try in a loop."""
        address = peer.rpartition(":")[0]
        late = min(self._failures.early(address), _LATEST)
        self._failures.count(address, _FAILURES)
        if late and self._late < _MOST_LATE:
            self._late += 1
            try:
                await asyncio.sleep(late)
            finally:
                self._late -= 1


def _token(context: Context) -> str | None:
    """Return the bearer token (RFC 6750) of a call, None if it has none.

    Raises:
        BadCredentialsError: it has several, or of another kind.
    """
    shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not shown:
        return None
    text = shown[0] if isinstance(shown[0], str) else ""
    scheme, token = text[: len(_SCHEME)].lower(), text[len(_SCHEME) :].strip()
    if len(shown) > 1 or scheme != _SCHEME or not token:
        raise BadCredentialsError
    return token


def _names(context: Context) -> list[str]:
    """Return the names on the certificate that the client has shown, and that TLS has checked."""
    shown = context.auth_context()
    names = next((shown[kind] for kind in _NAMES if shown.get(kind)), ())
    return [name.decode(errors="replace") for name in names]

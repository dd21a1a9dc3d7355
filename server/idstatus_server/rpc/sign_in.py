"""Lets callers in: who they are and what they may do, before anything else is looked at."""

import asyncio
from collections.abc import Iterator

from idstatus_server.access import ALL, caller, caller_of
from idstatus_server.auth import Authenticator
from idstatus_server.errors import BadCredentialsError, NotPermittedError, UnauthenticatedError
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.rate import Rate
from idstatus_server.rpc.roles import RULES

_SCHEME = "bearer "
# What of a certificate counts as its holder's name.
_NAMES = ("x509_subject_alternative_name", "x509_common_name")
# An address whose sign-ins fail gets its answers late: ten a second once fifty have failed, but
# none later than after five seconds, and only so many are kept waiting.
_FAILURES, _SLACK, _LATEST, _MOST_LATE = 10.0, 5.0, 5.0, 1000


class SignIn:
    """Recognizes callers, and knows what they may call. Without an authenticator it asks nobody."""

    def __init__(self, authenticator: Authenticator | None) -> None:
        self._authenticator = authenticator
        self._failures = Rate(_SLACK)
        self._late = 0

    async def admit(self, method: str, context: Context) -> None:
        """Let the ``caller`` of this task be who makes the call, if they may.

        Raises:
            UnauthenticatedError: it is nobody who is known.
            NotPermittedError: they may not call this method, in whichever queue.
            KeysUnavailableError: that cannot be told now.
        """
        rule = RULES[method]
        if self._authenticator is None or rule.open:
            return
        try:
            principal = await self._authenticator.recognize(_token(context), _names(context))
        except UnauthenticatedError:
            await self._hold_up(context.peer())
            raise
        found = caller_of(principal, rule.roles, self._authenticator.limits)
        caller.set(found)
        if not found.allowed or (rule.everywhere and found.allowed != ALL):
            raise NotPermittedError(
                f"{principal.name} may not call {method}", principal=principal.name, method=method
            )

    async def _hold_up(self, peer: str) -> None:
        """Let who fails too often wait: for the guessing, and for clients that try in a loop."""
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
    if len(shown) > 1 or not text.lower().startswith(_SCHEME):
        raise BadCredentialsError
    return text[len(_SCHEME) :].strip()


def _names(context: Context) -> Iterator[str]:
    """Yield the names on the certificate that the client has shown, and that TLS has checked."""
    shown = context.auth_context()
    for kind in _NAMES:
        for name in shown.get(kind, ()):
            yield name.decode(errors="replace")

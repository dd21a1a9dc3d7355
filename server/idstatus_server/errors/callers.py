"""Who calls is not known, may not do this, or asks too much."""

from idstatus_server.errors.base import (
    DomainError,
    ExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)


class NoCredentialsError(UnauthenticatedError):
    """The call carries nothing that tells who makes it."""

    reason = "NO_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the call carries neither a bearer token nor a certificate known here")


class BadCredentialsError(UnauthenticatedError):
    """The token is not valid. Why is for the server's log: who guesses is told nothing."""

    reason = "BAD_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the bearer token is not valid here")


class CredentialsExpiredError(UnauthenticatedError):
    """The token was valid, and is no more: come back with a new one."""

    reason = "CREDENTIALS_EXPIRED"

    def __init__(self) -> None:
        super().__init__("the bearer token has expired: get a new one; a stream can be resumed")


class NotPermittedError(DomainError):
    """The caller may not do this."""

    reason = "NOT_PERMITTED"


class CallerLimitError(ExhaustedError):
    """The caller has as much under way as one caller may, or calls too often."""

    reason = "CALLER_LIMIT"


class KeysUnavailableError(UnavailableError):
    """The keys with which tokens are signed cannot be fetched."""

    reason = "KEYS_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the keys that tell whether a token is valid are out of reach")


class CallerChangedError(UnavailableError):
    """What the server was told of the caller has changed, or is no more."""

    reason = "CALLER_CHANGED"

    def __init__(self) -> None:
        super().__init__("what you may do here has changed: call again; a stream can be resumed")

"""What every error of the domain is one of."""

from typing import ClassVar


class DomainError(Exception):
    """A request that was refused. It has changed nothing unless it says so.

    ``reason`` is ErrorInfo's, ``metadata`` holds every value that the message names, as text.
    """

    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {key: str(value) for key, value in metadata.items()}


class UnauthenticatedError(DomainError):
    """Who calls is not known."""


class NotFoundError(DomainError):
    """What the request names does not exist."""


class AlreadyExistsError(DomainError):
    """What the request would create is taken."""


class PreconditionError(DomainError):
    """The task is not in a state for this."""


class InvalidError(DomainError):
    """The request itself is wrong."""


class RevisionError(DomainError):
    """The log does not hold what the token asks for."""


class ExhaustedError(DomainError):
    """A limit is reached; later may work. ``retry_after`` is in seconds."""

    retry_after: ClassVar[float] = 1.0


class UnavailableError(DomainError):
    """The server cannot serve now; later, or another replica, will."""

    retry_after: ClassVar[float] = 0.5

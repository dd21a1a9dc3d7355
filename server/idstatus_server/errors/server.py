"""The server cannot, or cannot now."""

from idstatus_server.errors.base import ExhaustedError, UnavailableError


class WatcherTooSlowError(ExhaustedError):
    """The watcher took nothing for too long."""

    reason = "WATCHER_TOO_SLOW"


class TooManyWatchesError(ExhaustedError):
    """The server holds as many streams as it may."""

    reason = "TOO_MANY_WATCHES"


class OverloadedError(ExhaustedError):
    """The server has as many requests in flight as it may."""

    reason = "OVERLOADED"


class DrainingError(UnavailableError):
    """The server is shutting down."""

    reason = "DRAINING"

    def __init__(self) -> None:
        super().__init__("the server is draining: connect anew")


class StoreUnavailableError(UnavailableError):
    """The store cannot be reached, or cannot write. What it holds is safe."""

    reason = "STORE_UNAVAILABLE"


class StoreDamagedError(StoreUnavailableError):
    """What the store holds cannot be read as it was written: someone must repair it."""

    def __init__(self, damage: object) -> None:
        super().__init__(
            f"the store is damaged: {damage}; its operator must stop the server, run "
            "idstatus-server check and put a backup in its place",
            damage=damage,
        )


class LateAnswerError(UnavailableError):
    """No answer by the call's deadline. Callers are told that the store is away; it may be us."""

    reason = StoreUnavailableError.reason


class StreamAgedError(UnavailableError):
    """The stream has reached its maximum age."""

    reason = "STREAM_AGED"

    def __init__(self) -> None:
        super().__init__("the stream has reached its maximum age: resume it")


class StartError(Exception):
    """The server cannot start; the message is one line for the operator."""

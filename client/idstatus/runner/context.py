"""What a handler gets to see, and what it may raise."""

import threading
from collections.abc import Callable

from idstatus.models.enums import Reason
from idstatus.models.outcome import Failure
from idstatus.models.task import Progress, Task


class TaskContext:
    """The task at hand.

    Attributes:
        task: The task, whole.
        cancelled: Set when the work is to stop: the task was cancelled or has expired, or the
            runner shuts down. An async handler is cancelled as well.
        progress: What was last told of the progress.
        traceparent: The trace context of the call that created the task, as W3C Trace Context
            writes it: the work can go on in that trace. Empty if the server did not trace it.
    """

    def __init__(
        self, task: Task, on_progress: Callable[[], object], traceparent: str = ""
    ) -> None:
        self.task = task
        self.traceparent = traceparent
        self.cancelled = threading.Event()
        self.progress: Progress | None = None
        self._on_progress = on_progress

    def set_progress(self, fraction: float, message: str = "") -> None:
        """Tell how far the work is: 0 to 1, and in words. May be called from any thread.

        The server hears of it within about a second; of several calls, of the last one. Words
        beyond 1,024 characters are cut off.

        Raises:
            ValueError: The fraction is not within 0 to 1.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"a fraction is within 0 to 1, not {fraction}")
        self.progress = Progress(fraction=fraction, message=for_people(message, 1024))
        self._on_progress()


class TaskError(Exception):
    """Raised by a handler to say how the work went wrong.

    Args:
        message: What went wrong, for people.
        reason: `Reason.BAD_EXIT`, `KILLED` or `TIMEOUT`.
        exit_code: The exit status of the process.
        signal: The signal that ended the process.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reason: Reason = Reason.BAD_EXIT,
        exit_code: int | None = None,
        signal: int | None = None,
    ) -> None:
        if reason is Reason.CLIENT_REQUEST:
            raise ValueError("client_request is no way for work to go wrong")
        super().__init__(message)
        self.failure = Failure(reason=reason, message=message, exit_code=exit_code, signal=signal)


def for_people(text: str, longest: int) -> str:
    """Return a text that the server takes: what cannot be sent is replaced or cut off.

    A text that the server refuses would end the stream for all tasks of the runner.
    """
    text = text.encode(errors="replace").decode()  # lone surrogates, as file names have them
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:longest]

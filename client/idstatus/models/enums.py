"""The schema's enums, by the words of the contract: `Status.QUEUED == "queued"`."""

import enum


class Status(enum.StrEnum):
    """Where a task stands."""

    DELAYED = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    SUCCESS = enum.auto()
    ERROR = enum.auto()
    CANCELLED = enum.auto()

    @property
    def is_terminal(self) -> bool:
        """Whether it never changes again."""
        return self in _TERMINAL


_TERMINAL = frozenset({Status.SUCCESS, Status.ERROR, Status.CANCELLED})


class Reason(enum.StrEnum):
    """Why a task is in `Status.ERROR` or `Status.CANCELLED`."""

    TIMEOUT = enum.auto()
    KILLED = enum.auto()
    BAD_EXIT = enum.auto()
    CLIENT_REQUEST = enum.auto()


class Execution(enum.StrEnum):
    """What is known of a task's execution: whether a blind retry is safe."""

    NOT_STARTED = enum.auto()
    MAY_BE_RUNNING = enum.auto()
    ENDED = enum.auto()


class TaskView(enum.StrEnum):
    """How much of a task an answer carries."""

    STATUS = enum.auto()
    """The fields of `IdStatus` only."""
    BASIC = enum.auto()
    """All but payload, result and transitions."""
    FULL = enum.auto()
    """All fields."""


class ListOrder(enum.StrEnum):
    """In which order tasks are listed."""

    NEWEST_FIRST = enum.auto()
    OLDEST_FIRST = enum.auto()


class ChangeType(enum.StrEnum):
    """What kind of change a watch tells of."""

    SNAPSHOT = enum.auto()
    """The state at the start; not a change."""
    TRANSITION = enum.auto()
    """The status changed, or the task was created."""
    UPDATE = enum.auto()
    """Something else changed: progress, a late report, the link to its retry."""
    DELETED = enum.auto()


class LeaseState(enum.StrEnum):
    """What became of a lease that was to be extended."""

    EXTENDED = enum.auto()
    CANCELLED = enum.auto()
    """The task was cancelled: stop the work and report `Stopped`."""
    LOST = enum.auto()
    """The task expired or ended, is unknown, or the token is not its own: stop the work."""


class Obstacle(enum.StrEnum):
    """What keeps a task from running."""

    NOT_DUE = enum.auto()
    """Its run time lies ahead."""
    QUEUE_PAUSED = enum.auto()
    QUEUE_FULL = enum.auto()
    """As many tasks of its queue run as may: `Queue.max_running`."""
    TASKS_AHEAD = enum.auto()
    """Other tasks of its queue come first."""


class NextStep(enum.StrEnum):
    """What may be done with a task."""

    WAIT = enum.auto()
    CANCEL = enum.auto()
    RETRY = enum.auto()
    DELETE = enum.auto()

"""A task or a queue that is not there, is there already, or is in another state."""

from idstatus_server.errors.base import AlreadyExistsError, NotFoundError, PreconditionError


class TaskNotFoundError(NotFoundError):
    """No task has this id."""

    reason = "TASK_NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"there is no task {task_id}", id=task_id)


class QueueNotFoundError(NotFoundError):
    """No queue has this name: no task was ever created in it."""

    reason = "QUEUE_NOT_FOUND"

    def __init__(self, queue: str) -> None:
        super().__init__(f"there is no queue {queue}", queue=queue)


class TaskExistsError(AlreadyExistsError):
    """The chosen id is, or was, a task's."""

    reason = "TASK_EXISTS"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"the id {task_id} is taken: an id is used once", id=task_id)


class UniqueKeyHeldError(AlreadyExistsError):
    """An unfinished task holds the unique key."""

    reason = "UNIQUE_KEY_HELD"

    def __init__(self, key: str, task_id: str = "") -> None:
        """Make one; without an id it does not tell of a task that the caller may not see."""
        known = {"id": task_id} if task_id else {}
        who = f"the unfinished task {task_id}" if task_id else "a task of another queue"
        super().__init__(f"the unique key {key} is held by {who}", unique_key=key, **known)


class RequestIdReusedError(AlreadyExistsError):
    """The request id was used with another body."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"the request id {request_id} was used with another request", request_id=request_id
        )


class TaskFinishedError(PreconditionError):
    """The task is terminal."""

    reason = "TASK_FINISHED"


class TaskNotRunningError(PreconditionError):
    """The task is not running."""

    reason = "TASK_NOT_RUNNING"


class TaskNotFinishedError(PreconditionError):
    """The task is not terminal."""

    reason = "TASK_NOT_FINISHED"


class TaskAlreadyRetriedError(PreconditionError):
    """The task has a retry; retry the last of the chain."""

    reason = "TASK_ALREADY_RETRIED"

    def __init__(self, task_id: str, retried_by: str) -> None:
        super().__init__(
            f"the task {task_id} was retried already, by {retried_by}",
            id=task_id,
            retried_by=retried_by,
        )


class LeaseNotHeldError(PreconditionError):
    """The lease token is not the task's."""

    reason = "LEASE_NOT_HELD"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"the lease token is not the one of task {task_id}", id=task_id)

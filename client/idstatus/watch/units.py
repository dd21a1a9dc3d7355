"""The rule by which messages become batches that can be resumed after."""

from idstatus.models.change import Change, ChangeBatch
from idstatus.v1 import task_service_pb2


class Units:
    """Puts together again what was committed together.

    Every message carries a token that resumes right after it. But the server may split changes
    that were committed together over several messages, of which only the last moves the
    token: the token of the others still names the place before all of them. So:

    - A message whose token differs from the one before it completes a unit: it is released
      with all that was held.
    - A message whose token is the one before it leads a unit: its changes are held.
    - When the stream breaks, what is held is dropped: the new stream, opened with the last
      token, brings the unit again from its beginning. Releasing it early would repeat it.

    "The token before" is, for the first message of a stream, the token that the stream was
    opened with (empty for a new watch). Messages of a snapshot all have tokens of their own.
    A bookmark that moves nothing is held for ever, which is right: it has nothing to tell.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        """Resumes right after the last unit that was released."""
        self._held: list[Change] = []
        self._snapshot_complete = False

    def add(self, message: task_service_pb2.WatchTasksResponse) -> ChangeBatch | None:
        """Take in the next message; return the unit that it completes, if it does."""
        self._held.extend(map(Change.from_message, message.changes))
        self._snapshot_complete |= message.snapshot_complete
        if message.resume_token == self.token:
            return None
        self.token = message.resume_token
        batch = ChangeBatch(
            changes=tuple(self._held),
            snapshot_complete=self._snapshot_complete,
            resume_token=self.token,
        )
        self.drop()
        return batch

    def drop(self) -> None:
        """Forget what is held: the stream has broken."""
        self._held.clear()
        self._snapshot_complete = False

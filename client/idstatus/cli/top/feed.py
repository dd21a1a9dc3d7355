"""Keeps the board up to date, over the server's restarts: a watch, and a look at the queues."""

from collections.abc import Sequence
from threading import Event, Thread

from idstatus.cli.top.board import Board, look, queues_of
from idstatus.clients import Client
from idstatus.errors import IdstatusError, RpcError
from idstatus.models.enums import TaskView
from idstatus.models.filter import TaskFilter

# The queues are asked for so often, in seconds.
_LOOK = 1.0


class Feed:
    """Two threads that end soon after they are told to."""

    def __init__(self, client: Client, names: Sequence[str], board: Board) -> None:
        self._client = client
        self._names = names
        self._board = board
        self._ends = Event()
        self._troubles = {"watch": "", "queues": ""}

    @property
    def trouble(self) -> str:
        """Why what is shown may be old, "" if it is not."""
        return self._troubles["watch"] or self._troubles["queues"]

    def start(self) -> None:
        """Begin; the first look is done once this returns.

        Raises:
            IdstatusError: No server answers.
        """
        self._board.begin(look(self._client, self._names))
        for work in (self._follow, self._look_at_queues):
            Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Let the threads end."""
        self._ends.set()

    def _follow(self) -> None:
        while not self._ends.is_set():
            try:
                self._watch()
            except RpcError as error:
                # A watch that was in place resumes by itself, unless its token is too old or the
                # store is another one: then it begins anew.
                self._troubles["watch"] = str(error)
                self._ends.wait(_LOOK)
            except RuntimeError:  # the client was closed: the screen is gone
                return

    def _watch(self) -> None:
        wanted = TaskFilter(queues=self._names)
        changes = self._client.watch_batches(
            task_filter=wanted, skip_snapshot=True, view=TaskView.BASIC
        )
        with changes:
            next(changes)  # the watch is in place: what a look misses from now on, it will tell
            self._board.begin(look(self._client, self._names))
            self._troubles["watch"] = ""
            for batch in changes:
                self._board.apply(batch.changes)
                self._troubles["watch"] = ""
                if self._ends.is_set():
                    return

    def _look_at_queues(self) -> None:
        while not self._ends.wait(_LOOK):
            try:
                self._board.set_queues(queues_of(self._client, self._names))
                self._troubles["queues"] = ""
            except IdstatusError as error:
                self._troubles["queues"] = str(error)
            except RuntimeError:  # as above
                return

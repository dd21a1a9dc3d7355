"""The screen itself: it shows what is known, and does what the keys ask for."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from rich.console import Group
from rich.live import Live
from rich.text import Text

from idstatus.cli import output
from idstatus.cli.top import view
from idstatus.cli.top.board import Board
from idstatus.cli.top.feed import Feed
from idstatus.cli.top.keys import each_key, pressed
from idstatus.cli.top.view import Cursor, Pane
from idstatus.clients import Client
from idstatus.errors import IdstatusError

# The screen is drawn anew so often, in seconds.
_DRAW = 0.25
_KEYBOARD = 0  # stdin
_ACTIONS = {
    Pane.QUEUES: "p pause or resume",
    Pane.RUNNING: "c cancel",
    Pane.FAILURES: "r retry",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key asks for, once it is confirmed."""

    question: str
    do: Callable[[], object]


class Screen:
    """Draws, and listens to the keys, until it is told to quit."""

    def __init__(self, client: Client, board: Board, feed: Feed) -> None:
        self._client = client
        self._board = board
        self._feed = feed
        self._cursor = Cursor()
        self._wish: Wish | None = None
        self._said = ""
        self._quit = Event()
        self._worker = ThreadPoolExecutor(1)

    def run(self) -> None:
        """Return once somebody has quit, by key or by signal."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._quit.set())
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # the shell would get a terminal in disorder
        live = Live(console=output.stdout, screen=True, auto_refresh=False)
        with each_key(_KEYBOARD), live:
            while not self._quit.is_set():
                live.update(self.draw(), refresh=True)
                for key in pressed(_KEYBOARD, _DRAW):
                    self._on_key(key)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def draw(self) -> Group:
        """Return what is shown now."""
        frame = self._board.frame()
        heights = view.heights(frame, output.stdout.height)
        where = self._client.endpoint.address
        created, finished = self._board.created, self._board.finished
        head = view.heading(
            frame, datetime.now(UTC), where, created.per_second(), finished.per_second()
        )
        return Group(head, "", view.panes(frame, heights, self._cursor), self._foot())

    def _foot(self) -> Text:
        if self._wish:
            return output.cut(f"{self._wish.question}? y or n", "bold yellow")
        if self._feed.trouble:
            return output.cut(f"not up to date: {output.one_line(self._feed.trouble)}", "bold red")
        help_ = f"tab pane  up/down select  {_ACTIONS[self._cursor.pane]}  q quit"
        return output.cut(output.one_line(self._said) or help_, "dim")

    def _on_key(self, key: str) -> None:
        wish, self._wish, self._said = self._wish, None, ""
        if wish:
            if key == "y":
                self._worker.submit(self._do, wish)
            return
        match key:
            case "q":
                self._quit.set()
            case "tab":
                self._cursor.next_pane()
            case "up" | "k":
                self._cursor.move(self._board.frame(), -1)
            case "down" | "j":
                self._cursor.move(self._board.frame(), 1)
            case _:
                self._wish = self._wished(key)

    def _wished(self, key: str) -> Wish | None:
        frame = self._board.frame()
        name = self._cursor.selected(frame)
        match key, self._cursor.pane:
            case _ if not name:
                return None
            case "c", Pane.RUNNING:
                return Wish(f"cancel {name}", lambda: self._client.cancel(name))
            case "r", Pane.FAILURES:
                return Wish(f"retry {name}", lambda: self._client.retry(name))
            case "p", Pane.QUEUES:
                paused = next(queue.paused for queue in frame.queues if queue.name == name)
                word = "resume" if paused else "pause"
                return Wish(
                    f"{word} {name}", lambda: self._client.update_queue(name, paused=not paused)
                )
            case _:
                return None

    def _do(self, wish: Wish) -> None:
        try:
            wish.do()
        except IdstatusError as error:
            self._said = str(error)
        else:
            self._said = f"done: {wish.question}"


def on_terminal() -> bool:
    """Tell whether there is a screen to draw on, and keys to listen to."""
    return output.stdout.is_terminal and not output.stdout.is_dumb_terminal and os.isatty(_KEYBOARD)

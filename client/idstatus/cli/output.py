"""Where lines are printed, and how they stay harmless."""

import os
import unicodedata
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idstatus.errors import DeadlineExceededError, IdstatusError, RpcError

ON_TERMINAL = os.isatty(1)
# Off a terminal nothing is cut: whoever reads there has all the room that it takes.
_LABEL_WIDTH = 12
_WIDTH = None if ON_TERMINAL else 100_000

stdout = Console(width=_WIDTH, highlight=False, markup=False, emoji=False)
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: Text | str) -> None:
    """Print a line, whole, however long it is."""
    stdout.print(text, soft_wrap=True)


def row(label: str, value: Text | str) -> Text:
    """Return a line with a label before it."""
    return Text.assemble((label.ljust(_LABEL_WIDTH), "dim"), value)


def rows(label: str, values: Iterable[Text | str]) -> Iterator[Text]:
    """Yield a line for each value, the first one with the label before it."""
    for number, value in enumerate(values):
        yield row("" if number else label, value)


class Listing:
    """A table with one line for each row: the last column is cut to what the terminal holds."""

    def __init__(self, *columns: str) -> None:
        self._table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns[:-1]:
            self._table.add_column(column, no_wrap=True)
        # A column that may wrap gives way before the others; its cells are cut all the same.
        self._table.add_column(cut(columns[-1]))

    def add(self, *cells: Text | str, last: str) -> None:
        """Add a row."""
        self._table.add_row(*cells, cut(last))

    def show(self) -> None:
        """Print it."""
        stdout.print(self._table)


def cut(text: str, style: str = "") -> Text:
    """Return a text that is cut where its place ends."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def note(text: str) -> None:
    """Print a line on stderr: what a person should know and a script should not read."""
    stderr.print(text, soft_wrap=True)


def complain(what: IdstatusError | str) -> None:
    """Print what went wrong, in one line on stderr."""
    if isinstance(what, RpcError) and what.violations:
        faults = "; ".join(f"{fault.field}: {fault.description}" for fault in what.violations)
        what = f"{faults} [{what.reason}]"
    if isinstance(what, DeadlineExceededError):
        what = f"no answer in time [{what.code.name}]"
    note(f"idstatus: {one_line(str(what))}")


def clean(text: str) -> str:
    """Return a text that does nothing to a terminal, for others wrote it."""
    return "".join(map(_harmless, text))


def one_line(text: str) -> str:
    """Return a text as one line that does nothing to a terminal."""
    return clean(" ".join(text.split()))


def _harmless(character: str) -> str:
    if character in "\n\t" or not unicodedata.category(character).startswith("C"):
        return character
    return "\N{REPLACEMENT CHARACTER}"

"""Types every line of docs/grpcurl.md at a fresh server, in order, with the real grpcurl.

What it prints must be what the page shows. Ids that the server made, times, ages, revisions and
tokens may differ; where a later line names one, the real one is typed. A line `...` of the page
stands for any lines, and `^C` for the Ctrl-C that ends a watch.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpcurl
from pages import ADDRESS, blocks

from harness import ServerProcess

PAGE = Path(__file__).parents[2] / "docs/grpcurl.md"
VARIES = re.compile(
    r"""
      [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}
    | \d{4}-\d\d-\d\dT[\d:.]+Z
    | (?<=Age":\ ")[\d.]+s
    | (?<="revision":\ ")\d+
    | (?<=Token":\ ")[^"]+
    """,
    re.VERBOSE,
)
STOPPED = "^C\n"


class Example(NamedTuple):
    """A line to type, and what the page shows for it."""

    line: str
    shown: str


def examples() -> Iterator[Example]:
    for block in blocks(PAGE, "console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = example.splitlines(keepends=True)
            end = next(i for i, _ in enumerate(lines, 1) if whole("".join(lines[:i])))
            yield Example("".join(lines[:end]), "".join(lines[end:]).rstrip() + "\n")


def whole(line: str) -> bool:
    """Tell whether a shell would not wait for more: for a quote to end, or after a backslash."""
    try:
        shlex.split(line)
    except ValueError:
        return False
    return not line.endswith("\\\n")


def play(example: Example, address: str) -> str:
    """Type a line and return what comes."""
    line = example.line.replace(ADDRESS, address)
    if example.shown.endswith(STOPPED):
        lines = first_lines(grpcurl.typed(line), example.shown.count("\n") - 1)
        return "".join(lines) + STOPPED
    return grpcurl.printed(line).rstrip() + "\n"  # -format-error ends without a new line


def first_lines(command: list[str], count: int) -> Iterator[str]:
    """Yield the first lines that a command prints, then press Ctrl-C, at the latest after 60 s."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        patience = threading.Timer(60, os.killpg, (process.pid, signal.SIGINT))
        patience.start()
        yield from (process.stdout.readline() for _ in range(count))
        patience.cancel()
        os.killpg(process.pid, signal.SIGINT)


def difference(shown: str, printed: str, known: dict[str, str]) -> bool:
    """Tell whether it is not what was shown, and learn what the real ids and tokens are."""
    varying = VARIES.findall(shown)
    plain = "(.+)".join(map(re.escape, VARIES.split(shown)))
    found = re.fullmatch(plain.replace(re.escape("...\n"), "(?:.*\n)*?"), printed)
    known.update(zip(varying, found.groups(), strict=True) if found else ())
    return not found


def test_every_line_prints_what_the_page_shows(server: ServerProcess) -> None:
    known: dict[str, str] = {}
    played = 0
    for example in examples():
        line = re.sub(r"[\w=-]{20,}", lambda word: known.get(word[0], word[0]), example.line)
        printed = play(example._replace(line=line), server.address).expandtabs()
        if difference(example.shown, printed, known):
            assert printed == example.shown, line
        played += 1
    assert played > 20

from datetime import timedelta

import pytest
import typer

from idstatus.cli import parsing
from idstatus.cli.execution.command_line import CONTENT_TYPE, CommandLine


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30", 30), ("1.5s", 1.5), ("15m", 900), ("24h", 86400), ("7d", 604800)],
)
def test_spans(text: str, seconds: float) -> None:
    assert parsing.span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1 s", "9999999d", "1e3"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.span(text)


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("2k", 2048), ("3MiB", 3 << 20), ("1GB", 1 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    assert parsing.size(text) == size


@pytest.mark.parametrize("text", ["", "0", "M", "1.5G", "-1M", "1X"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.size(text)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{", "not a command line"),
        (b"[]", "not a JSON object"),
        (b"{}", "argv"),
        (b'{"argv": []}', "argv"),
        (b'{"argv": "ls"}', "argv"),
        (b'{"argv": [1]}', "argv"),
        (b'{"argv": ["a\\u0000b"]}', "argv"),
        (b'{"argv": ["\\ud800"]}', "argv"),
        (b'{"argv": ["ls"], "env": {"A": 1}}', "env"),
        (b'{"argv": ["ls"], "env": {"A=": "1"}}', "env"),
        (b'{"argv": ["ls"], "cwd": ["/"]}', "cwd"),
    ],
)
def test_a_payload_that_is_no_command_line_is_refused(payload: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CommandLine.decode(CONTENT_TYPE, payload)


def test_a_command_line_comes_back_as_it_was() -> None:
    command = CommandLine(argv=("ls", "é\udcff"), env={"A": "b"}, cwd="/srv")
    assert CommandLine.decode(CONTENT_TYPE, command.encode()) == command

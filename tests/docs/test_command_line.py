"""What the page about the command line says of it."""

import re
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from idstatus.cli import exits
from idstatus.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()


def test_it_lists_each_exit_status_with_its_meaning() -> None:
    rows = re.findall(r"^\| ([0-9]+) \| (?:`wait`, `exec --wait`: )?(.*) \|$", PAGE, re.MULTILINE)
    assert {int(status): meaning for status, meaning in rows} == exits.MEANINGS | exits.OF_WAITS


def test_it_names_each_command_and_each_variable() -> None:
    program = get_command(app)
    assert isinstance(program, TyperGroup)
    for name in program.commands:
        assert re.search(rf"`(idstatus )?{name}\b", PAGE), name
    variables = [parameter.envvar for parameter in program.params if parameter.envvar]
    assert len(variables) == 7
    for variable in variables:
        assert f"`{variable}`" in PAGE, variable

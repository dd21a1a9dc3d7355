"""Runs the Python that pages and docstrings show, each snippet as a program."""

import re
import textwrap
from pathlib import Path

import pytest
from pages import ADDRESS, blocks

from idstatus.testing import LocalServer

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "client").rglob("*.py")),
)
SNIPPETS = {
    f"{page.relative_to(ROOT)}:{number}": textwrap.dedent(snippet)
    for page in PAGES
    for number, snippet in enumerate(blocks(page, "python"), 1)
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_prints_what_it_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with LocalServer() as server:
        program = SNIPPETS[name].replace(ADDRESS, server.address)
        exec(compile(program, name, "exec"), {"__name__": "__main__"})  # noqa: S102  # our own
    promised = re.findall(r"print\(.*  # (.*)", program)
    assert capsys.readouterr().out.splitlines()[: len(promised)] == promised


def test_the_pages_and_the_docstrings_have_snippets() -> None:
    assert {name.partition(":")[0] for name in SNIPPETS} >= {
        "README.md",
        "docs/python.md",
        "client/idstatus/runner/runner.py",
    }

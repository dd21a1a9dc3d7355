"""Reads what a page shows, so that the tests do what a reader does."""

import re
from pathlib import Path

ADDRESS = "127.0.0.1:50051"
"""Where the server of the pages listens."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the page's blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)

"""A hook of mkdocs: what a page links to outside of docs/ the site has not, so it is named."""
# ruff: noqa: INP001  # a script

import re


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return a page with the path in the place of each such link."""
    return re.sub(r"\[([^]]*)\]\(\.\./([^)]*)\)", r"\1 (`\2`)", markdown)

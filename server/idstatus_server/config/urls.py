"""A store's URL as it may be shown."""

import re
from collections.abc import Sequence
from urllib.parse import unquote_plus


def without_password(url: str) -> str:
    """Return a store's URL as it may be shown.

    What an unquoted password leaves in doubt is hidden, too: all from the first colon that may
    end a user's name to the last @.
    """
    if url.startswith("sqlite:///"):
        return url
    url = re.sub(r"^(\w+:/+[^:]*:|[^:@/]*:(?!/)).*@", r"\1***@", url, flags=re.DOTALL)
    rest, mark, query = url.partition("?")
    return rest + mark + "&".join(map(_without_secret, query.split("&")))


def shows_password(url: str, words: Sequence[str]) -> bool:
    """Tell whether a command line of these words shows the password of a store's URL."""
    return url != without_password(url) and any(url in word for word in words)


def _without_secret(parameter: str) -> str:
    """Hide a password, and what follows an unquoted & in one."""
    name, equals, _ = parameter.partition("=")
    if "password" in unquote_plus(name).lower():
        return f"{name}=***"
    return parameter if equals or not name else "***"

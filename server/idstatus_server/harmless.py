"""What only looks on does no harm to what it looks at."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)


def harmless(instead: R) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: what the function raises goes to the log, and it returns ``instead``.

    It is for those who count and trace: by a bug of theirs, what was written must not look failed.
    """

    def guard(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception:  # noqa: BLE001  # whatever it is, it is not the caller's
                _log.exception("what was done is not counted or traced")
                return instead

        return guarded

    return guard

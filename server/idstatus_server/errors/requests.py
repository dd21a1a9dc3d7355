"""Requests that are wrong in themselves, and tokens of another time."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from idstatus_server.errors.base import InvalidError, RevisionError


class Violation(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    description: str


class InvalidFieldError(InvalidError):
    """One or more fields break their rules; ``violations`` lists each fault.

    An error travels in the trailing metadata, of which clients take 8 KiB: of very many
    faults, the first are told.
    """

    reason = "INVALID_FIELD"

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(_first(violations, size=1000))
        faults = "; ".join(f"{v.field}: {v.description}" for v in self.violations[:3])
        if len(violations) > 3:
            faults += f"; and {len(violations) - 3} more"
        fields = ",".join(v.field for v in self.violations)
        super().__init__(faults, fields=fields, faults=faults)


def _first(violations: Sequence[Violation], size: int) -> Iterator[Violation]:
    """Yield about so many bytes of violations: on the wire each counts several times over."""
    for violation in violations:
        yield violation
        size -= len("".join(violation).encode())
        if size <= 0:
            return


class InvalidTokenError(InvalidError):
    """A page or resume token that is not ours, or not for this request."""

    reason = "INVALID_TOKEN"


class RevisionCompactedError(RevisionError):
    """The token is older than what the log keeps."""

    reason = "REVISION_COMPACTED"

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(
            f"revision {revision} is older than {oldest}, the oldest one that a watch can "
            "resume from: start anew, from a snapshot",
            revision=revision,
            oldest_revision=oldest,
        )


class RevisionInFutureError(RevisionError):
    """The token knows what the store does not: the store has lost what it once had."""

    reason = "REVISION_IN_FUTURE"

    def __init__(self, revision: int, newest: int) -> None:
        what = (
            f"is ahead of {newest}, the newest one"
            if revision > newest
            else f"was lost by the database, which has since come to {newest} another way"
        )
        super().__init__(
            f"revision {revision} {what}: start anew, from a snapshot",
            revision=revision,
            newest_revision=newest,
        )

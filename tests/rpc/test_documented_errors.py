"""The comments of the contract name the errors that there are, and no others.

That no method answers with another one is seen by tests/hostile, which asks all of them.
"""

from collections.abc import Iterator

from contract import COMMON, TOLD, errors_in

from idstatus_server.errors import DomainError
from idstatus_server.rpc.errors import CODES


def reasons(kind: type[DomainError]) -> Iterator[str]:
    """Yield the reasons of an error and of its kinds."""
    if "reason" in vars(kind):
        yield kind.reason
    for narrower in kind.__subclasses__():
        yield from reasons(narrower)


def test_the_contract_names_every_error_of_the_server_and_no_other() -> None:
    named = set().union(*TOLD.values())
    assert named == {(CODES[kind].name, reason) for kind in CODES for reason in reasons(kind)}


def test_what_any_method_may_answer_is_told_once() -> None:
    assert {
        ("INVALID_ARGUMENT", "INVALID_FIELD"),
        ("RESOURCE_EXHAUSTED", "OVERLOADED"),
        ("UNAVAILABLE", "DRAINING"),
        ("UNAVAILABLE", "STORE_UNAVAILABLE"),
        ("UNAUTHENTICATED", "NO_CREDENTIALS"),
        ("UNAUTHENTICATED", "BAD_CREDENTIALS"),
        ("UNAUTHENTICATED", "CREDENTIALS_EXPIRED"),
        ("PERMISSION_DENIED", "NOT_PERMITTED"),
        ("RESOURCE_EXHAUSTED", "CALLER_LIMIT"),
        ("UNAVAILABLE", "KEYS_UNAVAILABLE"),
        ("UNAVAILABLE", "CALLER_CHANGED"),
    } == COMMON


def test_a_comment_is_read_as_it_is_written() -> None:
    comment = "NOT_FOUND is bad.\n\n Errors: NOT_FOUND A_B, C;\n OUT_OF_RANGE D or E, ABORTED F.\n"
    assert errors_in(comment) == {
        ("NOT_FOUND", "A_B"),
        ("NOT_FOUND", "C"),
        ("OUT_OF_RANGE", "D"),
        ("OUT_OF_RANGE", "E"),
        ("ABORTED", "F"),
    }

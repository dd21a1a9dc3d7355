"""Payloads and results: bytes on the wire, and JSON for whatever else Python has."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

JSON = "application/json"


class Dataclass(Protocol):
    """An object of a class that is a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Body: TypeAlias = bytes | str | Mapping[str, Any] | Sequence[Any] | float | Dataclass
"""A payload or a result, at most 256 KiB.

Bytes are sent as they are, a string as UTF-8, and all else as JSON: dicts, lists, numbers and
dataclasses.
"""


def is_json(body: Body) -> bool:
    """Whether a body is sent as JSON."""
    return not isinstance(body, bytes | str)


def encode_body(body: Body) -> bytes:
    """Return a body as it is sent.

    Raises:
        TypeError: It is of a kind that JSON has not, such as a set or a datetime.
        ValueError: It has a value that JSON has not, such as NaN.
    """
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else _as_json(body)).encode()


def _as_json(body: Body) -> str:
    return json.dumps(
        body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_fields
    )


def _fields(value: Any) -> Any:
    """Return the fields of a dataclass; whatever else json does not know is refused."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"there is no JSON for a {type(value).__name__}: {value!r}")

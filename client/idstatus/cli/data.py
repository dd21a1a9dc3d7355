"""The models as JSON and YAML: for scripts."""

import base64
import enum
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from idstatus.models.outcome import Failure, Stopped, Success

# As the schema calls them.
_OUTCOMES = {Success: "success", Failure: "error", Stopped: "stopped"}


class Format(enum.StrEnum):
    """How a command prints what it has found."""

    TABLE = enum.auto()
    """For people: tables, lines, colours."""
    JSON = enum.auto()
    """One object on each line."""
    YAML = enum.auto()
    """One document for each object."""


def say_data(value: Any, how: Format) -> None:
    """Print an object as JSON, on one line, or as a YAML document.

    The names are those of the Python package. What is unset is left out, times are in RFC 3339,
    spans in seconds. Bytes are text where they are UTF-8; else they are in base64, under their
    name and "_base64".
    """
    said = plain(value)
    if how is Format.JSON:
        text = json.dumps(said) + "\n"
    else:
        text = yaml.safe_dump(said, explicit_start=True, sort_keys=False, allow_unicode=True)
    # Flushed, for whoever reads a pipe wants to know now.
    print(text, end="", flush=True)  # noqa: T201


def plain(value: Any) -> Any:
    """Return a value in the types that JSON and YAML have."""
    match value:
        case datetime():
            said: Any = value.isoformat().replace("+00:00", "Z")
        case timedelta():
            said = value.total_seconds()
        case Success() | Failure() | Stopped():
            said = {_OUTCOMES[type(value)]: _object(_fields(value))}
        case enum.Enum():
            said = value.value
        case Mapping():
            said = _object(value)
        case tuple() | list():
            said = [plain(item) for item in value]
        case _:
            said = _object(_fields(value)) if is_dataclass(value) else value
    return said


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, value in members.items():
        if value is None or value in ("", b"", (), [], {}):
            continue
        if isinstance(value, bytes):
            said |= _bytes(name, value)
        else:
            said[name] = plain(value)
    return said


def _bytes(name: str, value: bytes) -> dict[str, str]:
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}

"""The models as JSON: for scripts."""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from idstatus.models.outcome import Failure, Stopped, Success

# As the schema calls them.
_OUTCOMES = {Success: "success", Failure: "error", Stopped: "stopped"}


def say_json(value: Any) -> None:
    """Print an object as one line of JSON.

    The names are those of the Python package. What is unset is left out, times are in RFC 3339,
    spans in seconds. Bytes are text where they are UTF-8; else they are in base64, under their
    name and "_base64".
    """
    # Flushed, for whoever reads a pipe wants to know now.
    print(json.dumps(plain(value)), flush=True)  # noqa: T201


def plain(value: Any) -> Any:
    """Return a value in the types that JSON has."""
    match value:
        case datetime():
            said: Any = value.isoformat().replace("+00:00", "Z")
        case timedelta():
            said = value.total_seconds()
        case Success() | Failure() | Stopped():
            said = {_OUTCOMES[type(value)]: _object(_fields(value))}
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

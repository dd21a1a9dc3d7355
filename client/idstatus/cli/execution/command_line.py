"""The payload of a task that is a command line."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, TypeGuard

CONTENT_TYPE = "application/vnd.idstatus.exec+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """What to execute: {"argv": ["ls", "-l"], "env": {"LANG": "C"}, "cwd": "/tmp"}."""

    argv: tuple[str, ...]
    """The program and its arguments; no shell comes in between."""
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of the runner's own environment."""
    cwd: str = ""
    """The folder to run in; empty: the runner's own."""

    def encode(self) -> bytes:
        """Return the payload."""
        members = {"argv": self.argv, "env": self.env, "cwd": self.cwd}
        # ASCII: so also words that are not UTF-8 arrive as they were typed.
        return json.dumps({name: value for name, value in members.items() if value}).encode()

    @classmethod
    def decode(cls, content_type: str, payload: bytes) -> Self:
        """Read a payload.

        Raises:
            ValueError: It is no command line; the message says why.
        """
        if content_type != CONTENT_TYPE:
            raise ValueError(f"not a command line: its content type is not {CONTENT_TYPE}")
        try:
            found = json.loads(payload)
        except ValueError as error:
            raise ValueError(f"not a command line: {error}") from error
        argv, env, cwd = _members(found)
        if not (isinstance(argv, list) and argv and all(map(_is_word, argv))):
            raise ValueError("not a command line: argv is not a list of words")
        if not (
            isinstance(env, dict) and all(map(_is_word, env.values())) and "=" not in "".join(env)
        ):
            raise ValueError("not a command line: env does not map words to words")
        if not _is_word(cwd):
            raise ValueError("not a command line: cwd is not a word")
        return cls(argv=tuple(argv), env=env, cwd=cwd)


def _members(found: object) -> tuple[object, object, object]:
    if not isinstance(found, dict):
        raise ValueError("not a command line: not a JSON object")  # noqa: TRY004  # a bad payload
    return found.get("argv"), found.get("env", {}), found.get("cwd", "")


def _is_word(value: object) -> TypeGuard[str]:
    """Whether a value can be passed to a program."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True

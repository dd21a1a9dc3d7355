"""The file that tells who may do what, in TOML; ``docs/security.md`` shows one."""

import hashlib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from idstatus_server.access import PATTERN, CallerLimits, Grant, Role
from idstatus_server.addresses import is_loopback
from idstatus_server.errors import StartError

_HASH = re.compile(r"[0-9a-f]{64}")
_HASH_OF_NOTHING = hashlib.sha256(b"").hexdigest()
_LONGEST_NAME = 200


class KnownToken(Struct, frozen=True, forbid_unknown_fields=True):
    """A static token, of which only the SHA-256 is known, in hexadecimal digits."""

    name: str
    sha256: str
    grants: tuple[str, ...]


class KnownCertificate(Struct, frozen=True, forbid_unknown_fields=True):
    """A client's certificate, by one of its subject alternative names or its common name."""

    name: str
    grants: tuple[str, ...]


class TrustedIssuer(Struct, frozen=True, forbid_unknown_fields=True):
    """Who issues JWTs (RFC 7519), and what is read from them.

    ``keys`` is the URL or the path of a JWK set (RFC 7517). Each value of ``claim`` is a
    grant or, with ``grants``, a word that stands for some. ``skew`` is in seconds.
    """

    issuer: str
    audience: str
    keys: str
    claim: str = "idstatus"
    subject: str = "sub"
    skew: int = 30
    grants: dict[str, tuple[str, ...]] | None = None


class AuthFile(Struct, frozen=True, forbid_unknown_fields=True):
    """All that the file may hold."""

    tokens: tuple[KnownToken, ...] = ()
    certificates: tuple[KnownCertificate, ...] = ()
    jwt: TrustedIssuer | None = None
    limits: CallerLimits = CallerLimits()


def read_auth_file(path: Path) -> AuthFile:
    """Return what the file holds, checked.

    Raises:
        StartError: it cannot be read or used; the message says where it is wrong, and
            nothing of what a line held that may be a secret.
    """
    try:
        read = msgspec.convert(tomllib.loads(path.read_text()), AuthFile)
        _check(read)
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # also tomllib's and msgspec's own
        raise StartError(f"cannot use {path}: {error}") from error
    return read


def _check(read: AuthFile) -> None:
    for token in read.tokens:
        if not _HASH.fullmatch(token.sha256):
            raise ValueError(f"the sha256 of token {token.name!r} must be 64 hexadecimal digits")
        if token.sha256 == _HASH_OF_NOTHING:
            raise ValueError(f"the token {token.name!r} is empty")
    everyone: tuple[KnownToken | KnownCertificate, ...] = (*read.tokens, *read.certificates)
    for one in everyone:
        valid_name(one.name)
        parse_grants(one.grants)
    if read.jwt:
        if not _safe(read.jwt.keys):
            raise ValueError("the keys of jwt must be a path or an https:// URL")
        for words in (read.jwt.grants or {}).values():
            parse_grants(words)


def _safe(keys: str) -> bool:
    """Tell whether nobody on the way can exchange keys: who gives them is the issuer."""
    if "://" not in keys or keys.startswith("https://"):
        return True
    return keys.startswith("http://") and is_loopback(urlsplit(keys).hostname or "")


def valid_name(name: object) -> str:
    """Return the name of a caller: request ids and the log carry it.

    Raises:
        ValueError: it is none.
    """
    if isinstance(name, str) and name.isprintable() and 1 <= len(name) <= _LONGEST_NAME:
        return name
    raise ValueError(f"a name must have 1 to {_LONGEST_NAME} printable characters")


def parse_grants(words: Iterable[str]) -> tuple[Grant, ...]:
    """Return grants written as ROLE or ROLE:PATTERN,PATTERN.

    Raises:
        ValueError: one is none.
    """
    return tuple(map(_parse_grant, words))


def _parse_grant(word: str) -> Grant:
    role, colon, patterns = word.partition(":")
    queues = tuple(patterns.split(",")) if colon else ("*",)
    known = role in set(Role) and all(map(PATTERN.fullmatch, queues))
    if not known:
        roles = ", ".join(Role)
        raise ValueError(f"{word!r} is no grant: ROLE or ROLE:QUEUE,QUEUE*, of the roles {roles}")
    return Grant(Role(role), queues)

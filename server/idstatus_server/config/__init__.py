"""The configuration: flags, and environment variables of the same names."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from idstatus_server.config.flags import default_store, parser_of
from idstatus_server.config.urls import shows_password, without_password
from idstatus_server.limits import Limits
from idstatus_server.timers import Retention

__all__ = ["Config", "default_store", "read", "shows_password", "without_password"]

_COMMANDS = ("migrate", "check", "backup")
# What those flags fill in that are not named as a field of the configuration is.
_LIMITS = {
    "payload_bytes": "max_payload_bytes",
    "labels": "max_labels",
    "batch": "max_batch",
    "delay": "max_delay",
    "timeout": "max_timeout",
    "max_wait": "max_wait",
    "in_flight": "max_in_flight",
    "watches": "max_watches",
    "pending_writes": "max_pending_writes",
}
_RETENTION = {"tasks": "retention", "log": "log_retention", "requests": "request_retention"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that an operator can set. Spans are in microseconds."""

    command: str
    copy: Path | None
    """Where a backup goes; None for every other command."""
    listen: tuple[str, ...]
    tls_cert: Path | None
    """None, as for the key: no TLS."""
    tls_key: Path | None
    tls_client_ca: Path | None
    """None: clients need no certificate."""
    insecure: bool
    """Whether other machines may be served without TLS."""
    store: str
    store_connections: int
    workers: int
    metrics_listen: tuple[str, int] | None
    """Host and port of the metrics; None if there are none."""
    parent: int | None
    """The file descriptor of a worker's line to its parent; None if this process is no worker."""
    auth: Path | None
    """The file that tells who may do what; None lets everyone who can connect do everything."""
    log_level: str
    log_format: str
    otlp_endpoint: str
    """Where traces go, by OTLP over gRPC; empty if there are none."""
    grace: int
    accept_timeout: int
    slow_watcher_timeout: int
    max_stream_age: int
    max_message_bytes: int
    limits: Limits
    retention: Retention


def read(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration; a flag beats its variable.

    Raises:
        SystemExit: a flag is wrong (2), or help or version was asked for (0).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words.pop(0) if words and words[0] in _COMMANDS else "serve"
    parser = parser_of(environ)
    if command == "backup":
        parser.add_argument("copy", metavar="FILE", type=Path, help="Where the copy goes.")
    given = vars(parser.parse_args(words))
    _check_tls(parser, given)

    def take(flags: Mapping[str, str]) -> dict[str, Any]:
        return {name: given[flag] for name, flag in flags.items()}

    names = (field.name for field in fields(Config))
    settings = {"copy": None} | {name: given[name] for name in names if name in given}
    settings["command"] = command
    settings["limits"] = Limits(**take(_LIMITS))
    settings["retention"] = Retention(**take(_RETENTION))
    return Config(**settings)


def _check_tls(parser: argparse.ArgumentParser, given: Mapping[str, Any]) -> None:
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        parser.error("--tls-cert and --tls-key go together")
    if given["tls_client_ca"] and not given["tls_cert"]:
        parser.error("--tls-client-ca needs --tls-cert and --tls-key")

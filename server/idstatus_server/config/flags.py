"""The flags, and the parser of them. Each falls back on an environment variable."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from idstatus_server.config import kinds
from idstatus_server.config.kinds import count, one_of, path, span

_LEVELS = ("debug", "info", "warning", "error")


class _Flag(NamedTuple):
    name: str
    kind: Callable[[str], Any]
    default: str
    text: str


_FLAGS = (
    _Flag(
        "listen",
        kinds.addresses,
        "127.0.0.1:50051",
        "HOST:PORT or unix:PATH; several with commas.",
    ),
    _Flag("tls-cert", path, "", "The server's certificate, then those that signed it, in PEM."),
    _Flag("tls-key", path, "", "The key of that certificate."),
    _Flag("tls-client-ca", path, "", "Whose certificates clients must have; none: they need none."),
    _Flag("insecure", kinds.truth, "false", "Serve other machines without TLS, too."),
    _Flag(
        "store",
        kinds.store,
        "",  # depends on who runs it
        "sqlite:///PATH (four slashes: an absolute one), sqlite:///:memory: for trials, or "
        "postgresql://USER@HOST/DATABASE for several servers. Of several hosts, HOST:PORT,HOST, "
        "the first that can write is used (target_session_attrs is always read-write). Passwords "
        "and TLS are as for psql: ~/.pgpass, PGPASSWORD, ?sslmode=verify-full&sslrootcert=FILE.",
    ),
    _Flag(
        "store-connections",
        count,
        "10",
        "Most connections to PostgreSQL for calls; one more listens for what others commit.",
    ),
    _Flag("workers", count, "1", "Processes that share the port; more than one needs PostgreSQL."),
    _Flag(
        "metrics-listen",
        kinds.metrics_address,
        "",
        "HOST:PORT where HTTP serves /metrics for Prometheus, /healthz and /readyz, to whoever "
        "asks and without TLS. Of several workers, worker k, from 0, has PORT + k.",
    ),
    _Flag(
        "auth",
        path,
        "",
        "A file (TOML) that tells who may do what, by bearer tokens and certificates; without one "
        "everyone who can connect may do everything.",
    ),
    _Flag("log-level", one_of(*_LEVELS), "info", f"One of {', '.join(_LEVELS)}."),
    _Flag("log-format", one_of("text", "json"), "text", "text or json."),
    _Flag(
        "otlp-endpoint",
        kinds.endpoint,
        "",
        "http://HOST:PORT of what takes traces by OTLP over gRPC, https with TLS; without one "
        "nothing is traced. All else is set by the OTEL_ variables of OpenTelemetry's SDK.",
    ),
    _Flag("retention", span, "7d", "How long finished tasks are kept, where a queue says nothing."),
    _Flag("log-retention", span, "24h", "How long changes are kept for watches to resume from."),
    _Flag(
        "request-retention",
        span,
        "24h",
        "How long request ids are remembered; those of deleted tasks as long as the log is kept.",
    ),
    _Flag("grace", span, "10s", "How long calls may take to finish on SIGTERM."),
    _Flag(
        "accept-timeout",
        kinds.whole_seconds,
        "30s",
        "When a call that the server has had no time to begin is dropped.",
    ),
    _Flag("slow-watcher-timeout", span, "30s", "When a watcher that takes nothing is ended."),
    _Flag(
        "max-stream-age",
        span,
        "1h",
        "When a watch or a `Run` stream is ended, to go on elsewhere.",
    ),
    _Flag("max-message-bytes", count, str(16 << 20), "Largest request."),
    _Flag("max-payload-bytes", count, str(256 << 10), "Largest payload, and largest result."),
    _Flag("max-labels", count, "32", "Most labels of a task."),
    _Flag("max-batch", count, "1000", "Most items in a batch, and on a page."),
    _Flag("max-delay", span, "365d", "Longest delay of a task."),
    _Flag("max-timeout", span, "30d", "Longest timeout of a task."),
    _Flag("max-wait", span, "5m", "Longest wait of a long poll; more is lowered to it."),
    _Flag("max-in-flight", count, "10000", "Most calls at once, but for those that only wait."),
    _Flag("max-watches", count, "20000", "Most streams, and calls that wait, at once."),
    _Flag("max-pending-writes", count, "50000", "Most writes that wait for a commit."),
)


def default_store(environ: Mapping[str, str]) -> str:
    """Return the URL of the store in the user's data folder (XDG base directories)."""
    data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", ".")) / ".local/share")
    return f"sqlite:///{data}/idstatus/idstatus.db"


def parser_of(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return what reads the command line, with what the environment says as defaults."""
    parser = argparse.ArgumentParser(
        prog="idstatus-server",
        usage="%(prog)s [migrate | check | backup FILE] [--FLAG VALUE ...]",
        description="One trustworthy answer to: what became of task X? The word migrate only "
        "brings the store's schema up to date, which serving does as it starts. Beside a server "
        "that serves, check reads the whole store, prints a line for each rule that it breaks and "
        "exits with 1 if there are any; backup copies a SQLite store to a new FILE.",
        epilog="Each flag can also be set by the environment variable in brackets.",
        allow_abbrev=False,
    )
    # Not for people: a parent gives it to its workers.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    for flag in _FLAGS:
        default = default_store(environ) if flag.name == "store" else flag.default
        _add(parser, flag, default, environ)
    return parser


def _add(
    parser: argparse.ArgumentParser, flag: _Flag, default: str, environ: Mapping[str, str]
) -> None:
    variable = "IDSTATUS_" + flag.name.upper().replace("-", "_")
    alone: dict[str, Any] = {"nargs": "?", "const": True} if flag.kind is kinds.truth else {}
    parser.add_argument(
        f"--{flag.name}",
        type=flag.kind,
        default=environ.get(variable, default),
        metavar=flag.name.rsplit("-", 1)[-1].upper(),
        help=f"{flag.text} Default: {default or 'none'}. [{variable}]".replace("%", "%%"),
        **alone,
    )

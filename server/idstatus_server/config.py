"""The configuration: flags, and environment variables of the same names."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from idstatus_server.addresses import host_and_port
from idstatus_server.limits import SECOND, Limits
from idstatus_server.timers import Retention

_UNITS = {"ms": SECOND // 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_UNITS["d"] = 24 * _UNITS["h"]
_LONGEST = 36_500 * _UNITS["d"]
_COMMANDS = ("migrate", "check", "backup")


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


def default_store(environ: Mapping[str, str]) -> str:
    """Return the URL of the store in the user's data folder (XDG base directories)."""
    data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME", ".")) / ".local/share")
    return f"sqlite:///{data}/idstatus/idstatus.db"


def read(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration; a flag beats its variable.

    Raises:
        SystemExit: a flag is wrong (2), or help or version was asked for (0).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words.pop(0) if words and words[0] in _COMMANDS else "serve"
    parser = _parser(environ)
    if command == "backup":
        parser.add_argument("copy", metavar="FILE", type=Path, help="Where the copy goes.")
    given = vars(parser.parse_args(words))
    _check_tls(parser, given)

    def take(**names: str) -> dict[str, Any]:
        return {name: given[flag] for name, flag in names.items()}

    # All other fields are named as their flags are.
    names = (field.name for field in fields(Config))
    settings: dict[str, Any] = {name: given[name] for name in names if name in given}
    settings["command"] = command
    settings.setdefault("copy", None)
    settings["limits"] = Limits(
        **take(
            payload_bytes="max_payload_bytes",
            labels="max_labels",
            batch="max_batch",
            delay="max_delay",
            timeout="max_timeout",
            max_wait="max_wait",
            in_flight="max_in_flight",
            watches="max_watches",
            pending_writes="max_pending_writes",
        )
    )
    settings["retention"] = Retention(
        **take(tasks="retention", log="log_retention", requests="request_retention")
    )
    return Config(**settings)


def _check_tls(parser: argparse.ArgumentParser, given: Mapping[str, Any]) -> None:
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        parser.error("--tls-cert and --tls-key go together")
    if given["tls_client_ca"] and not given["tls_cert"]:
        parser.error("--tls-client-ca needs --tls-cert and --tls-key")


def span(text: str) -> int:
    """Return a span such as 500ms, 30s, 15m, 24h or 7d in microseconds."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 30s, 15m, 24h or 7d")
    value = int(match[1]) * _UNITS[match[2]]
    if value > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than 36500d")
    return value


def _whole_seconds(text: str) -> int:
    """Return a span in whole seconds: gRPC takes no others."""
    value = span(text)
    if value < SECOND or value % SECOND:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of whole seconds, as 10s")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _endpoint(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^/@\s]+:\d+/?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not http://HOST:PORT or https://HOST:PORT")
    return text


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in text.split(",") if part.strip())
    if not addresses:
        raise argparse.ArgumentTypeError("there must be at least one address")
    return addresses


def _truth(text: str) -> bool:
    if text not in ("1", "true", "0", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of 1, true, 0, false")
    return text in ("1", "true")


def _metrics_address(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    found = host_and_port(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    host, port = found
    return host.strip("[]"), port


def _store(text: str) -> str:
    if re.match(r"postgres(ql)?://.", text):
        return text
    path = text.removeprefix("sqlite:///")
    if path == text or not path or path.endswith("/"):
        raise argparse.ArgumentTypeError(
            f"{without_password(text)!r} is not sqlite:///PATH, sqlite:///:memory: or postgresql://…"
        )
    return text


def without_password(url: str) -> str:
    """Return a store's URL as it may be shown.

    What an unquoted password leaves in doubt is hidden, too: all from the first colon that may
    end a user's name to the last @.
    """
    if url.startswith("sqlite:///"):
        return url
    url = re.sub(r"^(\w+:/+[^:]*:|[^:@/]*:(?!/)).*@", r"\1***@", url, flags=re.DOTALL)
    rest, mark, query = url.partition("?")
    return rest + mark + "&".join(map(_without_secret, query.split("&")))


def shows_password(url: str, words: Sequence[str]) -> bool:
    """Tell whether a command line of these words shows the password of a store's URL."""
    return url != without_password(url) and any(url in word for word in words)


def _without_secret(parameter: str) -> str:
    """Hide a password, and what follows an unquoted & in one."""
    name, equals, _ = parameter.partition("=")
    if "password" in unquote_plus(name).lower():
        return f"{name}=***"
    return parameter if equals or not name else "***"


class _Flags:
    """Adds flags that fall back on an environment variable, and says so in the help."""

    def __init__(self, parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
        self._parser = parser
        self._environ = environ

    def add(
        self, name: str, kind: Callable[[str], Any], default: str, text: str, **more: Any
    ) -> None:
        variable = "IDSTATUS_" + name.upper().replace("-", "_")
        self._parser.add_argument(
            f"--{name}",
            type=kind,
            default=self._environ.get(variable, default),
            metavar=name.rsplit("-", 1)[-1].upper(),
            help=f"{text} Default: {default or 'none'}. [{variable}]".replace("%", "%%"),
            **more,
        )


def _choice(*allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(allowed)}")
        return text

    return check


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
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
    flags = _Flags(parser, environ)
    add = flags.add
    add("listen", _addresses, "127.0.0.1:50051", "HOST:PORT or unix:PATH; several with commas.")
    add("tls-cert", _path, "", "The server's certificate, then those that signed it, in PEM.")
    add("tls-key", _path, "", "The key of that certificate.")
    add("tls-client-ca", _path, "", "Whose certificates clients must have; none: they need none.")
    add(
        "insecure", _truth, "false", "Serve other machines without TLS, too.", nargs="?", const=True
    )
    add(
        "store",
        _store,
        default_store(environ),
        "sqlite:///PATH (four slashes: an absolute one), sqlite:///:memory: for trials, or "
        "postgresql://USER@HOST/DATABASE for several servers. Of several hosts, HOST:PORT,HOST, "
        "the first that can write is used (target_session_attrs is always read-write). Passwords "
        "and TLS are as for psql: ~/.pgpass, PGPASSWORD, ?sslmode=verify-full&sslrootcert=FILE.",
    )
    add(
        "store-connections",
        _count,
        "10",
        "Most connections to PostgreSQL for calls; one more listens for what others commit.",
    )
    add("workers", _count, "1", "Processes that share the port; more than one needs PostgreSQL.")
    add(
        "metrics-listen",
        _metrics_address,
        "",
        "HOST:PORT where HTTP serves /metrics for Prometheus, /healthz and /readyz, to whoever "
        "asks and without TLS. Of several workers, worker k, from 0, has PORT + k.",
    )
    # Not for people: a parent gives it to its workers.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    add(
        "auth",
        _path,
        "",
        "A file (TOML) that tells who may do what, by bearer tokens and certificates; without one "
        "everyone who can connect may do everything.",
    )
    levels = ("debug", "info", "warning", "error")
    add("log-level", _choice(*levels), "info", "One of " + ", ".join(levels) + ".")
    add("log-format", _choice("text", "json"), "text", "text or json.")
    add(
        "otlp-endpoint",
        _endpoint,
        "",
        "http://HOST:PORT of what takes traces by OTLP over gRPC, https with TLS; without one "
        "nothing is traced. All else is set by the OTEL_ variables of OpenTelemetry's SDK.",
    )
    add("retention", span, "7d", "How long finished tasks are kept, where a queue says nothing.")
    add("log-retention", span, "24h", "How long changes are kept for watches to resume from.")
    add(
        "request-retention",
        span,
        "24h",
        "How long request ids are remembered; those of deleted tasks as long as the log is kept.",
    )
    add("grace", span, "10s", "How long calls may take to finish on SIGTERM.")
    add(
        "accept-timeout",
        _whole_seconds,
        "30s",
        "When a call that the server has had no time to begin is dropped.",
    )
    add("slow-watcher-timeout", span, "30s", "When a watcher that takes nothing is ended.")
    add(
        "max-stream-age",
        span,
        "1h",
        "When a watch or a `Run` stream is ended, to go on elsewhere.",
    )
    add("max-message-bytes", _count, str(16 << 20), "Largest request.")
    add("max-payload-bytes", _count, str(256 << 10), "Largest payload, and largest result.")
    add("max-labels", _count, "32", "Most labels of a task.")
    add("max-batch", _count, "1000", "Most items in a batch, and on a page.")
    add("max-delay", span, "365d", "Longest delay of a task.")
    add("max-timeout", span, "30d", "Longest timeout of a task.")
    add("max-wait", span, "5m", "Longest wait of a long poll; more is lowered to it.")
    add("max-in-flight", _count, "10000", "Most calls at once, but for those that only wait.")
    add("max-watches", _count, "20000", "Most streams, and calls that wait, at once.")
    add("max-pending-writes", _count, "50000", "Most writes that wait for a commit.")
    return parser

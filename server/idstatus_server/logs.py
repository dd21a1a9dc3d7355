"""What the server says of itself, for people or for machines."""

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from idstatus_server.access import caller
from idstatus_server.call import at_hand
from idstatus_server.tracing import current

# gRPC logs a trace for each client that leaves early, and for each header that is not UTF-8.
_OF_CLIENTS = (
    "ExecuteBatchError raised in core",
    "[UnicodeDecodeError] raised by servicer",
    "Invalid encoding on",
)
# Nobody reads more of one text, and who collects lines cuts off long ones. Lists are whole, for
# the audit log must not lose an id; --max-message-bytes bounds them.
_MOST_TEXT = 8192


class JsonFormatter(logging.Formatter):
    """One JSON object a line: the record, what it says of its call, and its own ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "about", {}),
            **getattr(record, "fields", {}),
        }
        line = _bounded(line)
        if record.exc_info:
            line["trace"] = _writable(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


class TextFormatter(logging.Formatter):
    """One line for people, or more if there is a trace; a record's ``fields`` come last."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = getattr(record, "fields", None)
        line = super().format(record)
        return f"{line} {msgspec.json.encode(_bounded(fields)).decode()}" if fields else line


def _bounded(value: Any) -> Any:
    """Return a value as it may be logged: not too long, and nothing that UTF-8 has not."""
    match value:
        case str():
            return _writable(value if len(value) <= _MOST_TEXT else f"{value[:_MOST_TEXT]}…")
        case dict():
            return {_bounded(key): _bounded(item) for key, item in value.items()}
        case list():
            return [_bounded(item) for item in value]
    return value


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _tell_call(record: logging.LogRecord) -> bool:
    """Let a record say during which call it was made, and in which span."""
    span = current.get().traceparent.split("-")  # version, trace, span, flags
    about = at_hand.get()._asdict() | {"principal": caller.get().name}
    if len(span) == 4:
        about |= {"trace_id": span[1], "span_id": span[2]}
    record.about = {name: value for name, value in about.items() if value}
    return True


def _of_us(record: logging.LogRecord) -> bool:
    """Pass over what clients alone bring about."""
    return not any(what in str(record.msg) for what in _OF_CLIENTS)


def set_up(level: str, style: str) -> None:
    """Send the log to the standard error stream."""
    handler = logging.StreamHandler()
    if style == "json":
        handler.addFilter(_tell_call)
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter())
    # The driver tells an outage of the database with a trace for each try; we tell it in a line.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_of_us)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

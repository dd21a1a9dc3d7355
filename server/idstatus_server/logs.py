"""What the server says of itself, for people or for machines."""

import logging
from datetime import UTC, datetime

import msgspec

# gRPC logs a trace for each client that leaves early, and for each header that is not UTF-8.
_OF_CLIENTS = (
    "ExecuteBatchError raised in core",
    "[UnicodeDecodeError] raised by servicer",
    "Invalid encoding on",
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def _of_us(record: logging.LogRecord) -> bool:
    """Pass over what clients alone bring about."""
    return not any(what in str(record.msg) for what in _OF_CLIENTS)


def set_up(level: str, style: str) -> None:
    """Send the log to the standard error stream."""
    handler = logging.StreamHandler()
    if style == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # The driver tells an outage of the database with a trace for each try; we tell it in a line.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_of_us)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

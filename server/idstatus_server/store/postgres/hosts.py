"""Connects to whichever host of a URL can write, and tells what says that none can."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import asyncpg

from idstatus_server.errors import StartError

PATIENCE = 5.0
"""How long the database may keep us waiting before it counts as out of reach, in seconds."""

OUT_OF_REACH = (
    OSError,  # with what TLS says, and every timeout
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # there is no such database
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionRollbackError,  # a deadlock, or a conflict with recovery
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,  # with damaged data
    asyncpg.TargetServerAttributeNotMatched,
)
"""What says that the database, not the request and not our SQL, is at fault."""

LOST = (*OUT_OF_REACH, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises when a connection is lost; the last two may also be bugs of ours."""


def is_lost(db: Any) -> bool:
    """Tell whether a connection is gone; the pool may have let go of it by then."""
    try:
        return bool(db.is_closed())
    except asyncpg.InterfaceError:
        return True


def in_one_line(error: BaseException) -> str:
    """Return what the driver's error says, or should say."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "it can only be read"
    return " ".join(str(error).split()) or "it does not answer"


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Connect to the first host that answers in its share of the time and can write.

    Raises:
        ConnectionError: there is none; the message tells what each host said.
    """
    urls = one_by_one(url)
    settings: dict[str, Any] = {
        "timeout": PATIENCE / len(urls),
        "command_timeout": PATIENCE,
        "target_session_attrs": "read-write",
        "server_settings": {"application_name": "idstatus-server"},
    }
    troubles = []
    for one in urls:
        try:
            connection: asyncpg.Connection = await asyncpg.connect(one, **settings | options)
        except (*OUT_OF_REACH, asyncpg.PostgresError) as error:  # it will not have us, so far
            host = urlsplit(one).netloc.rpartition("@")[2]
            troubles.append(f"{host}: {in_one_line(error)}" if host else in_one_line(error))
        else:
            return connection
    raise ConnectionError("; ".join(troubles))


def one_by_one(url: str) -> list[str]:
    """Return a URL of several hosts as URLs of one host each.

    So a host that swallows packets costs its own time, and not that of the next. An @ in
    the password is quoted: the driver would end the password there.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    user = user.replace("@", "%40")
    return [
        urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) if host else url
        for host in hosts.split(",")
    ]


def check(url: str) -> None:
    """Refuse what could never work.

    Raises:
        StartError: the URL asks for a session that cannot write, or names a file that is not there.
    """
    for name, value in parse_qsl(urlsplit(url).query):
        if name == "target_session_attrs" and value != "read-write":
            raise StartError(f"{name}={value}: a server must write, so it is always read-write")
        if name in {"sslrootcert", "sslcert", "sslkey", "sslcrl"} and not Path(value).is_file():
            raise StartError(f"{name}={value}: there is no such file")

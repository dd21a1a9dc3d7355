"""How a server gets into its PostgreSQL: hosts, passwords, TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest
import trustme
from postgres_server import PostgresServer
from store.author import Author
from store.relay import silence, tls_before

from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.store.postgres import PostgresStore
from idstatus_server.store.postgres.hosts import one_by_one
from idstatus_server.store.postgres.opening import migrate

PASSWORD = "pass: /?#@%ß"  # noqa: S105  # whatever a URL may trip over
QUOTED = quote(PASSWORD, safe="")


def folder_of(url: str) -> str:
    """Return the folder of the unix socket that a URL leads to."""
    return parse_qs(urlsplit(url).query)["host"][0]


async def run(url: str, *statements: str) -> None:
    db = await asyncpg.connect(url)
    for statement in statements:
        await db.execute(statement)
    await db.close()


async def refusal(url: str) -> str:
    with pytest.raises(StartError) as refused:
        await migrate(url)
    said = str(refused.value)
    assert "\n" not in said
    assert PASSWORD not in said
    assert QUOTED not in said
    return said


# -- several hosts


def test_hosts_are_tried_one_by_one() -> None:
    assert one_by_one("postgresql://me:p@a:1,b,[::1]:2/db?x=y") == [
        "postgresql://me:p@a:1/db?x=y",
        "postgresql://me:p@b/db?x=y",
        "postgresql://me:p@[::1]:2/db?x=y",
    ]
    for url in ("postgresql:///db", "postgresql://me@/db?host=/run", "postgresql://h/db"):
        assert one_by_one(url) == [url]
    assert one_by_one("postgresql://me:p@q@h/db") == ["postgresql://me:p%40q@h/db"]


async def test_a_host_that_is_down_or_silent_costs_its_share_of_the_time_only(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    database = urlsplit(url).path
    async with silence() as port:
        good = quote(folder_of(url), safe="")
        hosts = f"127.0.0.1:1,localhost:{port},{good}"
        async with PostgresStore(f"postgresql://postgres@{hosts}{database}") as store:
            await Author(store).create("a")


async def test_when_no_host_will_do_each_says_why() -> None:
    async with silence() as port:
        said = await refusal(f"postgresql://me:{QUOTED}@127.0.0.1:1,localhost:{port}/db")
    assert "127.0.0.1:1: [Errno 111]" in said
    assert f"localhost:{port}: it does not answer" in said


async def test_a_database_that_can_only_be_read_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    name = urlsplit(url).path.lstrip("/")
    await run(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "can only be read" in await refusal(url)


@pytest.mark.parametrize("wanted", ["any", "standby", "read-only"])
async def test_a_session_that_need_not_write_is_refused(wanted: str) -> None:
    said = await refusal(f"postgresql://h/db?target_session_attrs={wanted}")
    assert f"target_session_attrs={wanted}" in said


# -- passwords


@pytest.fixture
async def guarded(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL, without the password, of a database that asks for one."""
    url = postgres.new_database()
    name = urlsplit(url).path.lstrip("/")
    await run(
        url,
        f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'",
        f"ALTER DATABASE {name} OWNER TO {name}",
    )
    rules = postgres.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    await run(url, "SELECT pg_reload_conf()")
    yield f"postgresql://{name}@/{name}?host={folder_of(url)}"
    rules.write_text(before)
    await run(url, "SELECT pg_reload_conf()")


async def test_a_password_may_stand_in_the_url(guarded: str) -> None:
    await migrate(guarded.replace("@", f":{QUOTED}@", 1))
    await migrate(f"{guarded}&password={QUOTED}")


async def test_a_password_may_stand_in_the_environment(
    guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    await migrate(guarded)


@pytest.mark.parametrize("where", ["HOME", "PGPASSFILE", "passfile"])
async def test_a_password_may_stand_in_a_file(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    passfile = tmp_path / ".pgpass"
    role = urlsplit(guarded).username
    passfile.write_text(f"*:*:*:{role}:{PASSWORD}\n")
    passfile.chmod(0o600)
    if where == "passfile":
        guarded += f"&passfile={passfile}"
    else:
        monkeypatch.setenv(where, str(tmp_path if where == "HOME" else passfile))
    await migrate(guarded)


async def test_a_wrong_password_is_refused_in_one_line_that_does_not_tell_it(guarded: str) -> None:
    said = await refusal(f"{guarded}&password={QUOTED}x")
    assert "password authentication failed" in said


@pytest.mark.parametrize("raw", ["/", "?", "#", "["])
async def test_a_password_that_is_not_quoted_is_refused_without_a_part_of_it(raw: str) -> None:
    said = await refusal(f"postgresql://me:secret{raw}secret@127.0.0.1:1/db")
    assert "percent-encoded" in said
    assert "secret" not in said


# -- TLS


class Authority:
    """A certificate authority, and a server before the database that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.root = folder / "root.pem"
        self.ca.cert_pem.write_to_path(self.root)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("localhost").configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def plain(postgres: PostgresServer) -> str:
    return postgres.new_database()


def through(port: int, plain: str, host: str = "localhost", **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgresql://postgres@{host}:{port}{urlsplit(plain).path}?{query}"


def socket_of(plain: str) -> str:
    return f"{folder_of(plain)}/.s.PGSQL.5432"


async def test_the_right_authority_is_accepted(plain: str, authority: Authority) -> None:
    async with tls_before(socket_of(plain), authority.context()) as port:
        root = authority.root
        await migrate(through(port, plain, sslmode="verify-full", sslrootcert=root))
        await migrate(through(port, plain, sslmode="require"))


async def test_the_wrong_authority_or_name_is_refused(
    plain: str, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").root
    async with tls_before(socket_of(plain), authority.context()) as port:
        said = await refusal(through(port, plain, sslmode="verify-full", sslrootcert=other))
        assert "certificate verify failed" in said
        root = authority.root
        url = through(port, plain, "127.0.0.1", sslmode="verify-full", sslrootcert=root)
        assert "certificate is not valid for '127.0.0.1'" in await refusal(url)


async def test_a_client_shows_its_certificate(
    plain: str, authority: Authority, tmp_path: Path
) -> None:
    context = authority.context()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    mine = authority.ca.issue_cert("me@localhost")
    cert, key = tmp_path / "cert", tmp_path / "key"
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    async with tls_before(socket_of(plain), context) as port:
        await refusal(through(port, plain, sslmode="require"))
        await migrate(through(port, plain, sslmode="require", sslcert=cert, sslkey=key))


async def test_a_file_that_is_not_there_is_named() -> None:
    said = await refusal("postgresql://h/db?sslmode=verify-full&sslrootcert=/no/such.pem")
    assert "sslrootcert=/no/such.pem" in said


# -- patience


async def test_a_call_ends_when_all_connections_are_busy(
    plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PostgresStore(plain, 1) as store:
        async with store._pool.acquire():
            with monkeypatch.context() as hurried:
                hurried.setattr("idstatus_server.store.postgres.pool.PATIENCE", 0.2)
                with pytest.raises(StoreUnavailableError, match="it does not answer"):
                    await store.head()
        assert (await store.head()).newest.revision == 0


async def test_one_connection_is_enough(plain: str) -> None:
    async with PostgresStore(plain, 1) as store:
        author = Author(store)
        await asyncio.gather(*(author.create(f"{n}") for n in range(10)), store.queues("", 10))
        assert (await store.head()).newest.revision == 10

"""Servers by name, TLS and tokens: the real command before a server that asks for both."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from access.people import entry, static
from certificates import Certificates
from cli.program import BIN, Idstatus
from cli.terminal import Terminal
from typer.testing import CliRunner

from harness import ServerProcess, free_port
from idstatus.cli.commands.contexts import app
from idstatus.cli.connection import Connection
from idstatus.cli.contexts import ContextError, Contexts, chosen

TOKEN = static("me")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def secured(certificates: Certificates, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that asks for a certificate and for a token."""
    (tmp_path / "auth.toml").write_text(entry("me", "admin"))
    flags = (*certificates.mutual_flags, "--auth", str(tmp_path / "auth.toml"))
    server = ServerProcess(tmp_path, *flags).start()
    yield server
    server.stop()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "idstatus" / "contexts.yaml"


@pytest.fixture
def bare(tmp_path: Path) -> Idstatus:
    """The command, with no address in its environment and contexts of the test's own."""
    return Idstatus(XDG_CONFIG_HOME=str(tmp_path))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stored: Path) -> Path:
    """Where the contexts of the test itself are."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return stored


def ran(*arguments: str) -> str:
    """Return what `idstatus context` says, run within the test."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_context_reaches_a_server_with_tls_a_certificate_and_a_token(
    bare: Idstatus, secured: ServerProcess, certificates: Certificates, here: Path, queue: str
) -> None:
    files = ("--ca", certificates.ca, "--cert", certificates.cert, "--key", certificates.key)
    where = ("context", "set", "prod", "--address", secured.address, *files)
    done = bare(*where, "--token", stdin=f"{TOKEN}\n".encode())
    assert done.stdout.decode() == f"prod is kept in {here}\n"
    assert stat.S_IMODE(here.stat().st_mode) == 0o600
    bare("create", "--queue", queue)
    for shown in (("show",), ("list",), ("show", "prod", "-o", "yaml"), ("list", "-o", "json")):
        said = ran(*shown)
        assert secured.address in said
        assert TOKEN not in said


def test_flags_and_variables_reach_it_without_a_context(
    bare: Idstatus, secured: ServerProcess, certificates: Certificates, tmp_path: Path, queue: str
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    bare.environ["IDSTATUS_KEY"] = certificates.key
    flags = ("--ca", certificates.ca, "--cert", certificates.cert, "--address", secured.address)
    bare(*flags, "--token-file", str(token), "create", "--queue", queue)
    bare.environ["IDSTATUS_TOKEN"] = "wrong"  # noqa: S105
    assert "BAD_CREDENTIALS" in bare.complains(*flags, "create", "--queue", queue, status=5)


def test_contexts_are_listed_used_changed_and_deleted(here: Path) -> None:
    ran("set", "one", "--address", "one:1")
    ran("set", "two", "--address", "two:1", "--ca", "ca.pem", "--token-file", "token")
    listed = [line.split() for line in ran("list").splitlines()[1:]]
    assert listed == [["*", "one", "one:1"], ["two", "two:1", "TLS,", "a", "token"]]
    ran("use", "two")
    assert chosen(None, Connection()) == Contexts.load().get("two")
    ran("set", "two", "--no-tls")
    told = yaml.safe_load(ran("show", "-o", "yaml"))
    assert (told["name"], told["in_use"], told["tls"]) == ("two", True, False)
    assert told["ca"] == str(Path.cwd() / "ca.pem")
    ran("delete", "two")
    assert chosen(None, Connection()) == Connection()
    assert stat.S_IMODE(here.stat().st_mode) == 0o600


def test_a_flag_goes_before_a_variable_before_a_context_before_the_default(
    here: Path, bare: Idstatus, shared_server: ServerProcess
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    ran("set", "here", "--address", shared_server.address)
    ran("set", "there", "--address", nowhere)
    quick = ("--timeout", "5s")
    bare(*quick, "list")  # of the context in use, not of the default address
    bare.environ["IDSTATUS_CONTEXT"] = "there"
    bare(*quick, "--context", "here", "list")
    bare.environ["IDSTATUS_ADDRESS"] = shared_server.address
    bare(*quick, "list")
    bare(*quick, "--address", nowhere, "list", status=4)
    bare.environ["IDSTATUS_ADDRESS"] = nowhere  # a context that is named here goes before it, too
    bare(*quick, "--context", "here", "list")


def test_with_another_address_nothing_of_the_context_counts() -> None:
    context = Connection(address="prod:1", tls=True, ca="ca", cert="cert", key="key", token=TOKEN)
    assert Connection().over(context) == context
    assert Connection(address="prod:1").over(context) == context
    other = Connection(address="other:1")
    assert other.over(context) == other
    mine = Connection(token_file="mine").over(context)  # noqa: S106
    assert (mine.token, mine.token_file, mine.cert) == (None, "mine", "cert")


def test_a_token_is_asked_for_unseen_on_a_terminal(bare: Idstatus, stored: Path) -> None:
    command = (str(BIN / "idstatus"), "context", "set", "a", "--token")
    with Terminal(*command, environ=bare.environ) as asked:
        asked.shows("Token: ")
        asked.types(f"{TOKEN}\n")
        status, rest = asked.ends()
    assert status == 0
    assert TOKEN not in rest
    assert TOKEN in stored.read_text()


def test_what_cannot_be_used_is_one_line_and_exit_status_2(bare: Idstatus) -> None:
    line = bare.complains("--context", "x", "list", status=2)
    assert line == "idstatus: there is no context x: none is set"


def test_a_server_without_tls_is_one_line_and_exit_status_4(
    bare: Idstatus, shared_server: ServerProcess
) -> None:
    line = bare.complains("--tls", "--address", shared_server.address, "list", status=4)
    assert "handshake failed" in line


@pytest.mark.parametrize(
    ("connection", "complaint"),
    [
        (Connection(address="db1:1", token=TOKEN), "without TLS"),
        (Connection(ca="/nowhere"), "cannot read /nowhere: No such file"),
        (Connection(token_file="/nowhere"), "cannot read /nowhere: No such file"),  # noqa: S106
        (Connection(cert="/dev/null"), "go together"),
    ],
)
def test_a_connection_that_cannot_be_made_says_why(connection: Connection, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        connection.client(None)


@pytest.mark.parametrize(
    "said",
    ["{", "contexts: {a: {adress: x}}", "contexts: {a: {address: 5}}", "contexts: [a]", "[]"],
)
def test_a_file_that_makes_no_sense_is_refused(here: Path, said: str) -> None:
    ran("set", "a")
    here.write_text(said)
    with pytest.raises(ContextError, match="cannot understand"):
        Contexts.load()


def test_a_file_that_others_may_read_is_refused(here: Path) -> None:
    ran("set", "a")
    here.chmod(0o640)
    with pytest.raises(ContextError, match="others may read"):
        Contexts.load()

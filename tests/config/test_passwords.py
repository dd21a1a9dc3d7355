"""A store's password is shown to nobody."""

import pytest

from idstatus_server import config
from idstatus_server.config import shows_password, without_password

SHOWN = [
    ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
    ("postgres://me:secret@host/db", "postgres://me:***@host/db"),
    ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
    ("postgresql://me:secret@a:1,b:2,[::1]:3/db", "postgresql://me:***@a:1,b:2,[::1]:3/db"),
    ("postgresql://me:secret@/db?host=/run/pg", "postgresql://me:***@/db?host=/run/pg"),
    ("postgresql://me:sec%40ret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec@secret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec:secret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:/sec/secret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec?x=secret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec#secret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec\nsecret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me@corp:secret@host/db", "postgresql://me@corp:***@host/db"),
    ("postgresql://host/db?password=secret", "postgresql://host/db?password=***"),
    ("postgresql://host/db?a=b&password=secret&c=d", "postgresql://host/db?a=b&password=***&c=d"),
    ("postgresql://host/db?p%61ssword=secret", "postgresql://host/db?p%61ssword=***"),
    ("postgresql://host/db?PASSWORD=secret", "postgresql://host/db?PASSWORD=***"),
    ("postgresql://host/db?sslpassword=secret", "postgresql://host/db?sslpassword=***"),
    ("postgresql://host/db?password=sec=secret", "postgresql://host/db?password=***"),
    ("postgresql://host/db?password=sec&secret", "postgresql://host/db?password=***&***"),
    ("postgresql://host/db?password=sec#secret", "postgresql://host/db?password=***"),
    ("postgresql://me@host/db?password=sec@secret", "postgresql://me@host/db?password=***"),
    ("postgresql://me:secret@host/db?password=secret", "postgresql://me:***@host/db?password=***"),
    # In doubt, more is hidden than the password.
    ("postgresql://me:secret@host/db?password=sec@secret", "postgresql://me:***@secret"),
    ("postgresql://me@host:5432/db?password=sec@ret", "postgresql://me@host:***@ret"),
    # Not a URL of ours, and yet with a password in it.
    ("postgresql:/me:secret@host/db", "postgresql:/me:***@host/db"),
    ("me:secret@host/db", "me:***@host/db"),
    ("mysql://me:secret@host/db", "mysql://me:***@host/db"),
]


@pytest.mark.parametrize(("url", "shown"), SHOWN)
def test_a_password_is_hidden_wherever_it_stands(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@host/db",
        "postgresql:///db",
        "postgresql://me@a:1,b:2/db?sslmode=verify-full&passfile=/home/me/pass",
        "postgresql://host:5432/db?target_session_attrs=read-write",
        "sqlite:////a/b:c@d.db",
        "sqlite:////a?password=b",
        "mysql://x",
    ],
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url


@pytest.mark.parametrize("url", ["me:secret@host/db", "mysql://me:secret@h/d?password=secret"])
def test_the_refusal_of_a_url_hides_its_password(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        config.read(["--store", url])
    assert "secret" not in capsys.readouterr().err


def test_the_help_does_not_show_the_url_in_the_environment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        config.read(["--help"], {"IDSTATUS_STORE": "postgresql://me:secret@host/db"})
    assert "secret" not in capsys.readouterr().out


def test_a_password_on_the_command_line_is_noticed_and_one_in_the_environment_is_not() -> None:
    url = "postgresql://me:secret@db/idstatus"
    assert shows_password(url, ["idstatus-server", "--store", url])
    assert shows_password(url, ["idstatus-server", f"--store={url}"])
    assert not shows_password(url, ["idstatus-server", "--workers", "2"])
    assert not shows_password("postgresql://me@db/x", ["--store", "postgresql://me@db/x"])

"""Flags and environment variables, and what the server says of itself."""

import json
import logging
from pathlib import Path

import pytest

from idstatus_server import config
from idstatus_server.config import without_password
from idstatus_server.limits import DAY, SECOND
from idstatus_server.logs import JsonFormatter


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = config.read([], {"HOME": "/home/me"})
    assert settings.listen == ("127.0.0.1:50051",)
    assert settings.store == "sqlite:////home/me/.local/share/idstatus/idstatus.db"
    assert settings.retention.tasks == 7 * DAY
    assert settings.retention.log == DAY
    assert settings.retention.requests == DAY
    assert settings.limits.payload_bytes == 256 * 1024
    assert settings.limits.batch == 1000


def test_the_data_folder_follows_the_xdg_variable() -> None:
    assert (
        config.default_store({"XDG_DATA_HOME": "/data"}) == "sqlite:////data/idstatus/idstatus.db"
    )


def test_a_variable_sets_what_a_flag_would_and_a_flag_beats_it() -> None:
    environ = {"IDSTATUS_GRACE": "3s", "IDSTATUS_LISTEN": "127.0.0.1:1, unix:/s", "HOME": "/"}
    settings = config.read(["--grace", "500ms"], environ)
    assert settings.grace == SECOND // 2
    assert settings.listen == ("127.0.0.1:1", "unix:/s")
    assert config.read([], environ).grace == 3 * SECOND


def test_a_switch_stands_alone_or_says_true_or_false() -> None:
    for words, variable, meant in (
        ([], "false", False),
        ([], "1", True),
        (["--insecure"], "0", True),
        (["--insecure=false"], "true", False),
    ):
        assert config.read(words, {"IDSTATUS_INSECURE": variable}).insecure is meant
    assert config.read([], {}).insecure is False


def test_metrics_have_an_address_if_they_are_wanted() -> None:
    assert config.read([], {}).metrics_listen is None
    assert config.read(["--metrics-listen", "[::1]:9464"], {}).metrics_listen == ("::1", 9464)


def test_the_first_word_names_a_tool() -> None:
    for word in ("migrate", "check"):
        assert config.read([word, "--store", "sqlite:///x.db"], {}).command == word
    settings = config.read(["backup", "--store", "sqlite:///x.db", "y.db"], {})
    assert (settings.command, settings.copy) == ("backup", Path("y.db"))
    assert (config.read([], {}).command, config.read([], {}).copy) == ("serve", None)


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        (["--grace", "soon"], {}, "--grace: 'soon' is not a span"),
        (["--accept-timeout", "1500ms"], {}, "--accept-timeout: '1500ms' is not a number of whole"),
        (["--accept-timeout", "0s"], {}, "--accept-timeout: '0s' is not a number of whole"),
        ([], {"IDSTATUS_RETENTION": "1y"}, "--retention: '1y' is not a span"),
        (["--max-batch", "0"], {}, "--max-batch: '0' is not a whole number above 0"),
        (["--log-format", "xml"], {}, "--log-format: 'xml' is not one of text, json"),
        (["--store", "mysql://x"], {}, "--store: 'mysql://x' is not"),
        (["--tls-cert", "x"], {}, "--tls-cert and --tls-key go together"),
        ([], {"IDSTATUS_TLS_KEY": "x"}, "--tls-cert and --tls-key go together"),
        (["--tls-client-ca", "x"], {}, "--tls-client-ca needs --tls-cert and --tls-key"),
        ([], {"IDSTATUS_INSECURE": "yes"}, "--insecure: 'yes' is not one of 1, true, 0, false"),
        (["--otlp-endpoint", "collector:4317"], {}, "'collector:4317' is not http://HOST:PORT"),
        (["backup"], {}, "the following arguments are required: FILE"),
        (["check", "x.db"], {}, "unrecognized arguments: x.db"),
        (["--colour", "red"], {}, "unrecognized arguments: --colour red"),
    ],
)
def test_a_bad_setting_is_named_in_one_line(
    flags: list[str],
    environ: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        config.read(flags, environ)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_help_names_every_flag_with_its_variable_and_the_data_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        config.read(["--help"], {"HOME": "/home/me"})
    said = capsys.readouterr().out
    for flag in ("listen", "store", "log-level", "retention", "max-payload-bytes", "grace"):
        assert f"--{flag} " in said
        assert f"[IDSTATUS_{flag.upper().replace('-', '_')}]" in " ".join(said.split())
    assert "/home/me/.local/share/idstatus/idstatus.db" in said


def test_a_json_log_line_is_one_object_with_the_trace_inside() -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("here", logging.ERROR, "", 0, "it %s", ("broke",), trace)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert (said["level"], said["logger"], said["message"]) == ("error", "here", "it broke")
    assert "ZeroDivisionError" in said["trace"]


def test_a_stores_password_is_not_shown() -> None:
    shown = without_password("postgresql://me:secret@host:5432/db")
    assert shown == "postgresql://me:***@host:5432/db"
    for url in ("postgresql://me@host/db", "sqlite:////a/b:c@d.db", "postgresql:///db"):
        assert without_password(url) == url

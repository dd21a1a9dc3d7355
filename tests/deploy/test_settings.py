"""What the files in deploy/ and their page set, the server knows."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from deploy.files import DEPLOY, ROOT, environments

from idstatus_server import config

PAGES = [
    *(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".json"),
    ROOT / "docs/deploying.md",
]
# Flags of docker, kubectl, pip and others, as the files and the page name them.
OF_OTHERS = {
    "build",
    "build-arg",
    "cap-drop",
    "detach",
    "directory",
    "env",
    "for",
    "from",
    "from-file",
    "from-literal",
    "group",
    "host",
    "interval",
    "mode",
    "name",
    "no-cache-dir",
    "no-deps",
    "now",
    "owner",
    "profile",
    "publish",
    "python",
    "read-only",
    "start-period",
    "stop-timeout",
    "timeout",
    "username",
    "volume",
    "wait",
    "without-pip",
}


@cache
def help_of_the_server() -> str:
    command = [sys.executable, "-m", "idstatus_server", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_is_named_is_one_of_the_servers(page: Path) -> None:
    text = page.read_text()
    for variable in re.findall(r"\bIDSTATUS_[A-Z_]*[A-Z]\b", text):
        assert f"[{variable}]" in help_of_the_server(), variable
    for flag in set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)) - OF_OTHERS:
        assert f" --{flag} " in help_of_the_server(), flag


def test_the_server_takes_the_values() -> None:
    for name, environ in environments():
        assert config.read([], environ).store == environ["IDSTATUS_STORE"], name

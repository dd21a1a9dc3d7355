"""The file that says who may do what: what is wrong with it is said, and a change of it counts."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from access.people import LIST, entry, kept_out, knock, let_in, static, trust
from rpc.wire import Api, until

from harness import SERVER, ServerProcess
from idstatus_server.access import CallerLimits
from idstatus_server.auth import Authenticator
from idstatus_server.auth.file import read_auth_file
from idstatus_server.errors import StartError

NOTHING = hashlib.sha256(b"").hexdigest()
SECRET = "hunter2"  # noqa: S105  # what must not be shown

FAULTS = {
    f"[[tokens]]\nname = 'x'\nsha256 = '{SECRET}'\ngrants = []": "must be 64 hexadecimal digits",
    entry("x", "boss"): "'boss' is no grant: ROLE or ROLE:QUEUE,QUEUE*, of the roles viewer,",
    entry("x", "viewer:UPPER"): "'viewer:UPPER' is no grant",
    entry("x" * 201, "viewer"): "a name must have 1 to 200 printable characters",
    "[[tokens]]\nname = 'x'": "missing required field `sha256`",
    "[jwt]\nissuer = 'x'\naudience = 'y'": "missing required field `keys`",
    "[limits]\nwatches = -1": "Expected `int` >= 0 - at `$.limits.watches`",
    "[limits]\nspeed = 1": "unknown field `speed`",
    f"[[tokens]]\nname = 'x'\nsha256 = '{NOTHING}'\ngrants = []": "the token 'x' is empty",
    trust("http://keys.example/jwks"): "must be a path or an https:// URL",
    trust("ftp://keys.example/jwks"): "must be a path or an https:// URL",
    trust("http://localhost:x@keys.example/jwks"): "must be a path or an https:// URL",
    "tokens = 7": "Expected `array`",
    f"[[tokens]\nname = '{SECRET}'": "line 1",
}


def refusal(*flags: str) -> str:
    """Return the one line with which a server refuses to start."""
    command = [*SERVER, "--listen", "127.0.0.1:0", "--store", "sqlite:///:memory:", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_file_that_cannot_be_used_is_refused_in_one_line_without_its_secrets(
    tmp_path: Path,
) -> None:
    auth = tmp_path / "auth.toml"
    for text, fault in FAULTS.items():
        auth.write_text(text)
        with pytest.raises(StartError, match=re.escape(fault)) as caught:
            Authenticator(auth)
        assert SECRET not in str(caught.value)
    line = refusal("--auth", str(auth))
    assert line.startswith(f"idstatus-server: cannot use {auth}: ")
    assert "No such file" in refusal("--auth", str(tmp_path / "missing"))


def test_the_file_that_the_documentation_shows_can_be_used_as_it_is(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "security.md"
    (shown,) = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    auth = tmp_path / "auth.toml"
    auth.write_text(shown)
    read = read_auth_file(auth)
    assert (read.tokens[0].name, read.certificates[0].name) == ("ci", "runner-1.example.com")
    assert read.jwt
    assert read.limits == CallerLimits(rate=500, in_flight=1000, watches=2000)


async def test_a_change_counts_at_once_and_one_that_cannot_be_used_does_not(
    tmp_path: Path,
) -> None:
    auth = tmp_path / "auth.toml"
    auth.write_text(entry("ann", "viewer"))
    server = ServerProcess(tmp_path, "--auth", str(auth)).start()
    async with Api.at(server.address) as api:
        ann, bob = static("ann"), static("bob")
        assert await knock(api.channel, LIST, ann) is None
        auth.write_text(entry("ann", "viewer") + entry("bob", "viewer"))
        await let_in(api.channel, bob)
        auth.write_text("[[tokens]]\n")

        async def complained() -> bool:
            served = await knock(api.channel, LIST, bob) is None
            return served and "what it held before stays" in server.log.read_text()

        await until(complained)
        exchanged = tmp_path / "new.toml"
        exchanged.write_text(entry("bob", "viewer"))
        exchanged.rename(auth)
        await kept_out(api.channel, ann)
        assert await knock(api.channel, LIST, bob) is None
    server.stop()

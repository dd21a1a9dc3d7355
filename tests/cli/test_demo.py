"""`make demo` and `make run`, as a person sees them."""

import re
import shlex
import sys
from pathlib import Path

from cli.program import ENVIRON, Idstatus
from cli.terminal import Terminal, screen

from harness import free_port

ROOT = Path(__file__).parents[2]

SUMMARY = """
succeeds        success                                               yes
exits-with-3    error      bad_exit        exit status 3              yes
is-killed       error      killed          SIGKILL                    yes
hoards-memory   error      killed          SIGKILL                    yes
is-cancelled    cancelled  client_request                             yes
is-delayed      success                                               yes
fails-at-first  error      bad_exit        exit status 4  its-retry   yes
its-retry       success                                               yes
"""


def test_the_demo_is_live_and_ends_by_itself_with_a_summary_in_which_all_is_as_expected() -> None:
    with Terminal(sys.executable, str(ROOT / "examples/demo.py")) as demo:
        demo.shows("running .*takes-too-long")
        demo.shows("error/timeout .*takes-too-long")
        status, output = demo.ends()
    assert status == 0
    shown = [line.strip() for line in screen(output)]
    for line in SUMMARY.strip().splitlines():
        assert line in shown
    assert any(re.fullmatch(r"takes-too-long +error +timeout .*yes", line) for line in shown)
    assert "Every task ended as expected." in shown


def test_ctrl_c_ends_the_demo_quietly() -> None:
    with Terminal(sys.executable, str(ROOT / "examples/demo.py")) as demo:
        demo.shows("running .*takes-too-long")
        demo.ctrl_c()
        status, output = demo.ends()
    assert status == 130
    assert "Traceback" not in output


def test_make_run_starts_the_server_and_its_lines_can_be_typed_as_they_are(
    tmp_path: Path,
) -> None:
    address = f"127.0.0.1:{free_port()}"
    environ = {**ENVIRON, "XDG_DATA_HOME": str(tmp_path), "IDSTATUS_LISTEN": address}
    with Terminal(sys.executable, str(ROOT / "scripts/run.py"), environ=environ) as server:
        lines = server.shows("listens on(.*\n)+Ctrl-C ends the server.").splitlines()
        (listing,) = (line.partition("#")[0] for line in lines if " list " in line)
        _, *arguments = shlex.split(listing)
        assert arguments == ["--address", address, "list"]
        assert Idstatus("nowhere").says(*arguments).startswith("ID ")
        assert (tmp_path / "idstatus/idstatus.db").exists()
        server.ctrl_c()
        assert server.ends()[0] == 0

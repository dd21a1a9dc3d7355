"""Starts the server on SQLite, and says what to type next. `make run` calls it."""
# ruff: noqa: INP001  # a script

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent

NEXT_LINES = """
Type in another terminal:

  {idstatus} runner --allow-exec                  # a runner, left alone in a terminal
  {idstatus} watch                                # and all that happens, in another

  {idstatus} exec --wait -- echo hello            # a task, and what became of it
  {idstatus} exec --timeout 2 -- sleep 60         # one that takes too long
  {idstatus} list                                 # all of them
  {idstatus} explain ID                           # why one does not run, or ended so
  {idstatus} top                                  # what goes on, live
  grpcurl -plaintext {address} idstatus.v1.TaskService/ListTasks

Ctrl-C ends the server.
"""


def main() -> int:
    """Run the server in the foreground and return its exit status."""
    # In a session of its own it hears of Ctrl-C through us only, once for each.
    server = subprocess.Popen(  # noqa: S603  # our own program
        [BIN / "idstatus-server"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: server.send_signal(signal.SIGTERM))
    assert server.stdout  # noqa: S101  # it is a pipe
    for line in server.stdout:
        print(line, end="", flush=True)  # noqa: T201  # that is what it is for
        if listens := re.search(r"listens on ([^, ]+)", line):
            print(NEXT_LINES.format(**_words(listens[1])), flush=True)  # noqa: T201
    status = server.wait()
    return status if status >= 0 else 128 - status


def _words(address: str) -> dict[str, str]:
    """Return what the lines name, so that they can be copied as they are."""
    program = BIN / "idstatus"
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    known = os.environ.get("IDSTATUS_ADDRESS", "127.0.0.1:50051")
    return {
        "idstatus": f"{program}" if address == known else f"{program} --address {address}",
        "address": address,
    }


if __name__ == "__main__":
    sys.exit(main())

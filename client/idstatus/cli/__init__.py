"""The command line `idstatus`. Needs the extra `cli`: typer, rich and PyYAML."""

import os
import signal
import sys


def main() -> None:
    """Run the command that `sys.argv` names."""
    # At once, for to unwind beside gRPC's threads may take words. Nothing is left to clean up: what
    # was said is flushed, and the runner, which has more to do, listens for itself.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        from idstatus.cli.app import run  # noqa: PLC0415  # what it needs may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich", "yaml"}:
            raise
        sys.exit("idstatus: the command line needs more: pip install 'idstatus[cli]'")
    run()

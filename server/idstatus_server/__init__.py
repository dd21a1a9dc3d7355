"""The idstatus server."""

import os
import sys

# gRPC's core writes past our log, as often as a peer makes mistakes, and repeats what the peer has
# said, byte for byte. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> None:
    """Run the server, or say in one line what it lacks: the bare install is the client."""
    try:
        from idstatus_server.__main__ import main as run  # noqa: PLC0415  # may be missing parts
    except ModuleNotFoundError as error:
        sys.exit(f"idstatus-server: {error}: pip install 'idstatus[server]'")
    run()

"""The program `idstatus`. It is no part of the package, for that imports gRPC at once."""

import os


def main() -> None:
    """Run the command that `sys.argv` names."""
    # What gRPC's core logs to stderr, we say in a line of our own. It looks as it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from idstatus.cli import main as run  # noqa: PLC0415  # as said

    run()

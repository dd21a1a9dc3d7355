"""The server with a fault that can be switched on, to prove that the checker finds it.

    python -m faults.broken FILE [what idstatus-server takes]

FILE holds the name of the fault. It is read, and deleted, when the server starts and at each
SIGUSR1. Each fault replaces one thing of the real server.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from faults.engine_faults import ENGINE_FAULTS
from faults.store_faults import STORE_FAULTS
from faults.switching import put_back
from faults.watch_faults import WATCH_FAULTS

from idstatus_server import __main__ as server

FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (*STORE_FAULTS, *ENGINE_FAULTS, *WATCH_FAULTS)
}
NO_FAULT = "no-fault"


def switch(file: Path) -> None:
    """Undo the fault that is on, and switch on the one that the file names."""
    put_back()
    fault = file.read_text()
    if fault != NO_FAULT:
        FAULTS[fault]()
    file.unlink()


if __name__ == "__main__":
    told = Path(sys.argv.pop(1))
    switch(told)
    signal.signal(signal.SIGUSR1, lambda *_: switch(told))
    server.main()

"""What a server holds: memory, file handles and threads."""

from pathlib import Path
from typing import NamedTuple

from harness import ServerProcess


class Footprint(NamedTuple):
    """``memory`` is in MiB (VmRSS)."""

    memory: float
    handles: int
    threads: int

    def exceeds(self, most: "Footprint") -> bool:
        """Tell whether there is more of something than there may be."""
        return any(has > may for has, may in zip(self, most, strict=True))


def forget_peak(server: ServerProcess) -> None:
    """Let ``peak`` look from now on only."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def peak(server: ServerProcess) -> float:
    """Return the most memory that a server has held, in MiB (VmHWM)."""
    return _mebibytes(_status(server)["VmHWM"])


def footprint(server: ServerProcess) -> Footprint:
    """Return what a server holds now."""
    status = _status(server)
    handles = sum(1 for _ in Path(f"/proc/{server.pid}/fd").iterdir())
    return Footprint(
        memory=_mebibytes(status["VmRSS"]),
        handles=handles,
        threads=int(status["Threads"]),
    )


def _status(server: ServerProcess) -> dict[str, str]:
    text = Path(f"/proc/{server.pid}/status").read_text()
    return dict(line.split(":", 1) for line in text.splitlines())


def _mebibytes(value: str) -> float:
    return int(value.split(maxsplit=1)[0]) / 1024

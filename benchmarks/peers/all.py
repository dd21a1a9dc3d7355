"""All peers, one after the other, as a table: python benchmarks/peers/all.py TASKS [--unary].

pip install -e '.[bench]'     installs them; Redis and Go must be there
"""

import json
import subprocess
import sys
from typing import Any

import rig

RUNS = (
    ("celery_redis",),
    ("celery_redis", "--fsync"),
    ("rq_redis",),
    ("rq_redis", "--fsync"),
    ("procrastinate_postgres",),
    ("river_postgres",),
)


def told(module: str, *flags: str) -> dict[str, Any]:
    """Run one peer and return what it tells."""
    command = [sys.executable, str(rig.HERE / f"{module}.py"), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            process.terminate()  # it has something to clean up
            raise
    assert process.returncode == 0, f"{module} has failed"
    line: dict[str, Any] = json.loads(said)
    return line


def row(*cells: str) -> None:
    """Print a row of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run each and print its row; what they ran on and how comes below."""
    rig.asked()
    row("peer", "tasks/s", "promises less than idstatus")
    row("---", "---:", "---")
    notes = []
    for module, *flags in RUNS:
        line = told(module, *sys.argv[1:], *flags)
        row(line["peer"], f"{line['tasks_per_second']:.0f}", "; ".join(line["promises_less"]))
        about = (
            f"{name}: {value}" for name, value in (line["settings"] | line["versions"]).items()
        )
        notes.append(f"- {line['peer']}: {', '.join(about)}")
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()

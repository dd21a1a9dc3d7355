"""River on PostgreSQL: river_postgres.py TASKS [--unary]."""

import json
import subprocess
import tempfile
from typing import Any

import rig
from database import Database

CONNECTIONS = rig.CALLERS + 2  # those who fetch and complete jobs do not wait for those who insert


def built(folder: str) -> str:
    """Build our program with River; return its path."""
    path = f"{folder}/river"
    command = [rig.program("go", "Go, 1.26 or newer"), "build", "-o", path, "."]
    subprocess.run(command, cwd=rig.HERE / "river", check=True)
    return path


def version() -> str:
    """Return the version of River that it is built with."""
    lines = (rig.HERE / "river" / "go.mod").read_text().splitlines()
    return next(line.split()[1] for line in lines if "riverqueue/river " in line)


def measure(url: str, tasks: int, *, unary: bool) -> dict[str, Any]:
    """Return what our program says."""
    with tempfile.TemporaryDirectory(prefix="idstatus-bench-") as folder:
        command = [built(folder), url, str(tasks), "unary" if unary else "batch"]
        said: dict[str, Any] = json.loads(
            subprocess.check_output(command, timeout=rig.patience(tasks))
        )
    assert said["completed"] == tasks, said
    return said


def main() -> None:
    """Run PostgreSQL and our program, and measure."""
    asked = rig.asked()
    with Database() as database:
        name, url = database.new()
        url += f"&pool_max_conns={CONNECTIONS}"
        said = measure(url, asked.tasks, unary=asked.unary)
        postgres = database.sql("SHOW server_version", name)
    rig.tell(
        "River on PostgreSQL",
        asked.tasks,
        said["seconds"],
        versions={"river": version(), "go": said["go"], "PostgreSQL": postgres},
        settings={
            "client": "2000 workers, fetch cooldown 2 ms, poll 20 ms, as in its own benchmark",
            "connections": CONNECTIONS,
            "enqueue": f"Insert, {rig.CALLERS} callers"
            if asked.unary
            else f"InsertManyFast of {rig.BATCH}",
            "known by": "Subscribe, in the process of the workers",
            "PostgreSQL": "as it is by default: fsync, synchronous_commit",
        },
        promises_less=[
            "an id may run twice: what is not completed within an hour runs again",
            "completed is written later, for many at once: a crash before that runs them again",
            "no watch: events stay in the process that worked the job, some dropped if many wait",
        ],
    )


if __name__ == "__main__":
    main()

"""The growth curves: how the cost of the server goes with the work, on SQLite.

    make curves                                       all of them, in ten minutes
    .venv/bin/python benchmarks/curves.py tasks       some of them
    .venv/bin/python benchmarks/curves.py --full      10,000,000 tasks, too, and a longer run

What counts is the CPU that the server uses for an operation: others on the machine change it less
than they change how many there are in a second. The server has one core, the load the others.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import curve_results as results
from contest import Setting
from curve import Group, Scale
from curve_memory import MEMORY
from curve_queues import QUEUES
from curve_runners import RUNNERS
from curve_tasks import TASKS
from curve_watchers import WATCHERS
from workplace import workplace

GROUPS = {group.name: group for group in (TASKS, WATCHERS, QUEUES, RUNNERS, MEMORY)}
_ROUNDS, _CALLS, _SECONDS = 3, 500, 1.0
_TRIAL = 1, 20, 0.1


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each point")
    parser.add_argument(
        "--full", action="store_true", help="10,000,000 tasks, half an hour of memory"
    )
    parser.add_argument("--trial", type=Path, metavar="JSON", help="the smallest sizes only")
    given = parser.parse_args()
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def sizes(group: Group, given: argparse.Namespace) -> Sequence[int]:
    """Return the sizes that are asked for."""
    if given.trial:
        return (group.trial,)
    return (*group.sizes, *group.full) if given.full else group.sizes


def measured(given: argparse.Namespace, at: Setting) -> dict[str, Any]:
    """Measure the groups that are asked for."""
    rounds = (given.rounds, _CALLS, _SECONDS)
    scale = Scale(at, *(_TRIAL if given.trial else rounds))
    told = {}
    for name in given.groups or GROUPS:
        group, start = GROUPS[name], time.perf_counter()
        points = list(group.measure(scale, sizes(group, given)))
        told[name] = results.group_as_json(group, points)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return told


def main() -> None:
    """Measure what is asked for, and show it; if that is everything, write it down and draw it."""
    given = arguments()
    with workplace() as (at, found):
        told = {"about": found, "groups": measured(given, at)}
    results.show(told)
    if given.trial:
        results.save(told, given.trial)
    elif not given.groups:
        from curve_plot import draw  # noqa: PLC0415  # needs the extra, which a trial does not

        results.save(told, results.TARGET)
        draw()


if __name__ == "__main__":
    main()

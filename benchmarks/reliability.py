"""The figures of reliability: watchers that freeze, idle, lose their server, come and go.

    make reliability                                      all of them, in ten minutes
    .venv/bin/python benchmarks/reliability.py idle       some of them

The server has one core, the load (and PostgreSQL) the others.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import frozen
from figure import Figure, Measure, Scale, trial
from figure_churn import churn
from figure_frozen import beside
from figure_idle import idle
from figure_killed import killed, killed_postgres
from rich.console import Console
from rich.table import Table
from workplace import workplace

TARGET = Path(__file__).with_name("reliability.json")
_NARROWEST = 150
FIGURES: Mapping[str, Measure] = {
    "frozen-unread": beside("frozen-unread", "a connection that is not read", frozen.unread),
    "frozen-stopped": beside("frozen-stopped", "a process that is stopped", frozen.stopped),
    "idle": idle,
    "killed": killed,
    "killed-postgres": killed_postgres,
    "churn": churn,
}


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=", ".join(FIGURES))
    parser.add_argument("--trial", type=Path, metavar="JSON", help="the smallest sizes only")
    given = parser.parse_args()
    if unknown := set(given.figures) - set(FIGURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def measured(names: Sequence[str], scale: Scale) -> list[Figure]:
    """Measure the figures of these names."""
    figures: list[Figure] = []
    for name in names:
        start = time.perf_counter()
        figures += FIGURES[name](scale)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return figures


def show(figures: Sequence[Figure], found: Mapping[str, Any]) -> None:
    """Print it all."""
    table = Table("figure", "what", "measured", "must", "met")
    for figure in figures:
        must = "" if figure.must is None else f"at most {figure.must:g}"
        met = "" if figure.must is None else "yes" if figure.met else "NO"
        value = f"{figure.measured:,.4g} {figure.unit}".rstrip()
        table.add_row(figure.name, figure.what, value, must, met)
    console = Console()
    console.width = max(console.width, _NARROWEST)
    console.print(table)
    for name, value in found.items():
        console.print(f"{name}: {value}", highlight=False)


def main() -> None:
    """Measure what is asked for, and show it; if that is everything, write it down."""
    given = arguments()
    with workplace() as (at, found):
        scale = trial(at) if given.trial else Scale(at=at)
        figures = measured(given.figures or list(FIGURES), scale)
    show(figures, found)
    target = given.trial or (None if given.figures else TARGET)
    if target:
        told = {"about": found, "figures": [asdict(f) | {"met": f.met} for f in figures]}
        target.write_text(json.dumps(told, indent=1) + "\n")
    sys.exit(not given.trial and not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()

"""What came of it: the figures, the table, the JSON."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contest import Sample
from measures import Measure
from rich.console import Console
from rich.table import Table

TARGET = Path(__file__).with_name("results.json")
_NARROWEST = 190
_COLUMNS = (
    *("measure", "ours", "the other side", "ours", "other", "unit", "ratio", "spread"),
    *("must", "aim", "met", "server CPU", "load CPU", "waiting"),
)
_WORDS = (1, 2)


@dataclass(slots=True)
class Figure:
    """A measure with all its rounds."""

    measure: Measure
    ours: list[Sample] = field(default_factory=list)
    other: list[Sample] = field(default_factory=list)

    @property
    def values(self) -> tuple[float, float]:
        """The medians of both sides."""
        name = self.measure.name
        ours, other = ([s.values[name] for s in side] for side in (self.ours, self.other))
        return statistics.median(ours), statistics.median(other)

    @property
    def ratios(self) -> list[float]:
        """Ours to the other side's, round by round."""
        name = self.measure.name
        pairs = zip(self.ours, self.other, strict=True)
        return [ours.values[name] / other.values[name] for ours, other in pairs]

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)

    def as_json(self) -> dict[str, Any]:
        """Return all of it, for others to calculate with."""
        name = self.measure.name
        ours, other = self.values
        return asdict(self.measure) | {
            "ratio": self.ratio,
            "lowest": min(self.ratios),
            "highest": max(self.ratios),
            "met": self.measure.met(self.ratio) if self.measure.must else None,
            "ours_median": ours,
            "other_median": other,
            "ours_rounds": [sample.values[name] for sample in self.ours],
            "other_rounds": [sample.values[name] for sample in self.other],
            "server_cpu": shares(self, "server"),
            "load_cpu": shares(self, "load"),
            "server_waiting": shares(self, "waiting"),
        }


def shares(figure: Figure, what: str) -> list[float | None]:
    """Return the medians of a share of a core: ours and the other side's, if it was measured."""
    sides = ([getattr(s, what) for s in side] for side in (figure.ours, figure.other))
    known = ([share for share in side if share is not None] for side in sides)
    return [statistics.median(side) if side else None for side in known]


@dataclass(slots=True)
class Results:
    """All figures of a run; what was not measured, and why; where it was, and what else ran."""

    about: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def peers(self) -> dict[str, Any]:
        """What the other task queues say of themselves."""
        told = (figure.other[0].about for figure in self.figures)
        return {about["peer"]: about for about in told if about}

    def show(self) -> None:
        """Print it all."""
        console = Console()
        console.width = max(console.width, _NARROWEST)
        table = Table(title="Medians of the rounds; the spread is from the lowest to the highest")
        for number, column in enumerate(_COLUMNS):
            table.add_column(column, no_wrap=number not in _WORDS)
        for figure in self.figures:
            table.add_row(*row(figure))
        console.print(table)
        console.print(
            "CPU: shares of a core, ours / other. Waiting: the time in which others kept a server "
            "off its core; under full load its own threads make a quarter of it."
        )
        for name, why in (self.absent | self.failed).items():
            console.print(f"{name} was not measured: {why}")
        for peer, about in self.peers.items():
            console.print(f"{peer}: {about['versions']}, {about['settings']}")
            console.print(f"  promises less: {'; '.join(about['promises_less'])}")
        for name, value in self.about.items():
            console.print(f"{name}: {value}", highlight=False)

    def save(self) -> None:
        """Write it down."""
        told = {
            "about": self.about,
            "figures": [figure.as_json() for figure in self.figures],
            "absent": self.absent,
            "failed": self.failed,
            "peers": self.peers,
        }
        TARGET.write_text(json.dumps(told, indent=1) + "\n")


def row(figure: Figure) -> list[str]:
    """Return a row of the table."""
    measure, ratios = figure.measure, figure.ratios
    ours, other = (f"{value:,.0f}" if value > 100 else f"{value:.3g}" for value in figure.values)
    limits = (f"{limit:g}" if limit else "" for limit in (measure.must, measure.aim))
    met = "yes" if measure.met(figure.ratio) else "NO"
    return [
        *(measure.name, measure.ours, measure.other, ours, other, measure.unit),
        f"{figure.ratio:.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        *limits,
        met if measure.must else "",
        *(percent(shares(figure, what)) for what in ("server", "load", "waiting")),
    ]


def percent(sides: Sequence[float | None]) -> str:
    """Return shares as they are read."""
    return " / ".join("-" if share is None else f"{share:.0%}" for share in sides)

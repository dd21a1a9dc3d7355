"""What came of it: the table, the JSON, and where and when it was."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contest import Sample
from measures import Measure
from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Figure:
    """A measure with all its rounds."""

    measure: Measure
    ours: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    servers: list[tuple[float | None, float | None]] = field(default_factory=list)
    loads: list[tuple[float | None, float | None]] = field(default_factory=list)

    def add(self, ours: Sample, other: Sample) -> None:
        """Take note of a round."""
        self.ours.append(ours.values[self.measure.name])
        self.other.append(other.values[self.measure.name])
        self.servers.append((ours.server, other.server))
        self.loads.append((ours.load, other.load))

    @property
    def ratios(self) -> list[float]:
        """Ours to the other side's, round by round."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.other, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)


@dataclass(slots=True)
class Results:
    """All figures of a run."""

    folder: str
    figures: list[Figure] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def show(self) -> None:
        """Print the table."""
        table = Table(title="idstatus: ratios, median of rounds (lowest to highest)")
        for column in ("measure", "ours", "other", "unit", "ratio", "spread", "must", "aim"):
            table.add_column(column)
        table.add_column("server CPU")
        table.add_column("load CPU")
        for figure in self.figures:
            table.add_row(*row(figure))
        Console(width=None).print(table)

    def save(self) -> None:
        """Write it down."""


def row(figure: Figure) -> list[str]:
    """Return a row of the table."""
    measure, ratios = figure.measure, figure.ratios
    return [
        f"{measure.name}",
        f"{statistics.median(figure.ours):.4g}",
        f"{statistics.median(figure.other):.4g}",
        measure.unit,
        f"{figure.ratio:.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{measure.must}",
        f"{measure.aim}",
        shares(figure.servers),
        shares(figure.loads),
    ]


def shares(pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """Return shares of a core, ours and the other side's."""
    sides: list[Any] = [[s for s in side if s is not None] for side in zip(*pairs, strict=True)]
    return " / ".join(f"{statistics.median(side):.0%}" if side else "-" for side in sides)

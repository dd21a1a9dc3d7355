"""What came of the curves: a table, and all figures as JSON."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curve import Curve, Group, Point
from rich.console import Console
from rich.table import Table

TARGET = Path(__file__).with_name("curves.json")
# What a shared machine makes of a line that is flat.
_NOISE = 1.2
_COLUMNS = ("curve", "what", "unit", "size: value", "ratio", "must be flat", "flat")
_MOST = 6
_NARROWEST = 190


def group_as_json(group: Group, points: Sequence[Point]) -> dict[str, Any]:
    """Return the curves of a group, for others to calculate with."""
    curves = {
        curve.name: curve_as_json(curve, [p for p in points if p.curve == curve.name])
        for curve in group.curves
    }
    return {"over": group.over, "curves": curves, "summary": group.summary(points)}


def curve_as_json(curve: Curve, points: Sequence[Point]) -> dict[str, Any]:
    """Return one of them, with the medians of its rounds."""
    found = [point_as_json(point) for point in points]
    flat = [] if curve.flat is None else [p for p in found if p["size"] >= curve.flat]
    return {
        "what": curve.what,
        "unit": curve.unit,
        "flat_from": curve.flat,
        "may_grow": curve.why,
        "ratio": ratio(found),
        "flat_ratio": ratio(flat),
        "points": found,
    }


def ratio(points: Sequence[dict[str, Any]]) -> float | None:
    """Return how many times the first value the last one is; None if there was too little."""
    values = [point["value"] for point in points]
    return values[-1] / values[0] if values and values[0] > 0 else None


def point_as_json(point: Point) -> dict[str, Any]:
    """Return the rounds of a point."""
    values = [reading.value for reading in point.readings]
    rates = [r.per_second for r in point.readings if r.per_second is not None]
    return {
        "size": point.size,
        "value": statistics.median(values),
        "per_second": statistics.median(rates) if rates else None,
        "rounds": values,
    }


def flat(curve: dict[str, Any]) -> bool | None:
    """Say whether a curve is as flat as it must be; None if it need not be."""
    return None if curve["flat_ratio"] is None else curve["flat_ratio"] <= _NOISE


def save(told: dict[str, Any], path: Path) -> None:
    """Write it down."""
    path.write_text(json.dumps(told, indent=1) + "\n")


def show(told: dict[str, Any]) -> None:
    """Print it all."""
    console = Console()
    console.width = max(console.width, _NARROWEST)
    for name, group in told["groups"].items():
        table = Table(*_COLUMNS, title=f"{name}: over {group['over']}")
        for curve_name, curve in group["curves"].items():
            table.add_row(curve_name, *row(curve))
        console.print(table)
        for what, value in group["summary"].items():
            console.print(f"{what}: {value:,.2f}", highlight=False)
    console.print(
        "µs are of the server's CPU for one operation; ratios are of the largest size to the "
        f"smallest. Flat means: no more than {_NOISE:g} times, which is this machine's noise."
    )
    for what, value in told["about"].items():
        console.print(f"{what}: {value}", highlight=False)


def row(curve: dict[str, Any]) -> list[str]:
    """Return a curve as it is read."""
    points = curve["points"]
    if len(points) > _MOST:
        points = [points[0], points[-1]]
    must = "" if curve["flat_from"] is None else "yes"
    if curve["flat_from"]:
        must = f"from {curve['flat_from']:,} on"
    return [
        curve["what"],
        curve["unit"],
        "\n".join(f"{p['size']:>10,}: {p['value']:,.1f}{rate(p)}" for p in points),
        times(curve["ratio"]),
        "; ".join(filter(None, (must, curve["may_grow"]))),
        {True: "yes", False: f"NO: {times(curve['flat_ratio'])}", None: ""}[flat(curve)],
    ]


def times(ratio: float | None) -> str:
    """Return a ratio as it is read."""
    return "" if ratio is None else f"{ratio:.2f}"


def rate(point: dict[str, Any]) -> str:
    """Return how many there were in a second."""
    return "" if point["per_second"] is None else f" ({point['per_second']:,.0f}/s)"

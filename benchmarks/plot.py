"""Draws the ratios of results.json: python plot.py, or after each whole run."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from results import TARGET

PICTURE = Path(__file__).parents[1] / "docs" / "performance.svg"
_RIGHT = 3.0
_MET, _MISSED = "#2a9d5c", "#d1495b"


def part(figure: dict[str, Any], ratio: float) -> float:
    """Return which part of what it must be a ratio is; more than 1 is better than that."""
    must: float = figure["must"]
    return must / ratio if figure["lower"] else ratio / must


def label(figure: dict[str, Any]) -> str:
    """Return what is written at a bar."""
    most = "at most " if figure["lower"] else ""
    return f"{figure['ratio']:.2f} (must: {most}{figure['must']:g}, aim: {figure['aim']:g})"


def caption(about: dict[str, Any]) -> str:
    """Return where and when it was."""
    names = ("python", "grpcio", "sqlite", "postgresql")
    versions = ", ".join(f"{name} {about[name]}" for name in names)
    machine = f"{about['cores']} cores of {about['cpu']}, {about['filesystem']}"
    return f"{about['date']}, {about['commit']}, {machine}, {about['machine']}\n{versions}"


def draw() -> None:
    """Write the picture."""
    told = json.loads(TARGET.read_text())
    figures = [figure for figure in told["figures"] if figure["must"]][::-1]
    mpl.rcParams |= {"svg.hashsalt": "idstatus", "svg.fonttype": "none"}  # a small, stable file
    picture, axes = plt.subplots(figsize=(10, 0.42 * len(figures) + 1.6), layout="constrained")
    for at, figure in enumerate(figures):
        ends = [part(figure, figure[key]) for key in ("lowest", "ratio", "highest")]
        low, middle, high = sorted(ends)
        axes.barh(at, min(middle, _RIGHT), color=_MET if figure["met"] else _MISSED, height=0.6)
        axes.plot((min(low, _RIGHT), min(high, _RIGHT)), (at, at), color="black", linewidth=1)
        aim = part(figure, figure["aim"])
        axes.plot((aim, aim), (at - 0.4, at + 0.4), color="gray", linestyle="dotted")
        axes.text(_RIGHT + 0.05, at, label(figure), va="center", fontsize=8)
    axes.axvline(1, color="black")
    axes.set_xlim(0, _RIGHT)
    axes.set_yticks(range(len(figures)), [f"{f['name']}" for f in figures])
    axes.set_xlabel("part of what it must be (line); dotted: the aim; thin: lowest to highest")
    axes.set_title(caption(told["about"]), fontsize=8, loc="left")
    picture.savefig(PICTURE, metadata={"Date": None})
    print(f"drew {PICTURE}")


if __name__ == "__main__":
    draw()

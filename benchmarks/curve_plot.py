"""Draws the curves of curves.json: python curve_plot.py, or after each whole run."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from curve_results import TARGET
from matplotlib import pyplot as plt
from plot import caption

DOCS = Path(__file__).parents[1] / "docs"


def draw() -> None:
    """Write the pictures, one for each group."""
    mpl.rcParams |= {"svg.hashsalt": "idstatus", "svg.fonttype": "none"}  # small, stable files
    told = json.loads(TARGET.read_text())
    for name, group in told["groups"].items():
        picture = DOCS / f"growth-{name}.svg"
        draw_group(group, caption(told["about"]), picture)
        print(f"drew {picture}")


def draw_group(group: dict[str, Any], title: str, picture: Path) -> None:
    """Write one picture: for each unit, one above the other, all curves over the sizes."""
    curves = group["curves"].values()
    units = list(dict.fromkeys(curve["unit"] for curve in curves))
    figure, all_axes = plt.subplots(
        len(units),
        figsize=(9, 1.2 + 3.6 * len(units)),
        layout="constrained",
        sharex=True,
        squeeze=False,
    )
    for axes, unit in zip(all_axes[:, 0], units, strict=True):
        for name, curve in group["curves"].items():
            if curve["unit"] == unit:
                draw_curve(axes, name, curve)
        axes.set_ylabel("µs of CPU for one" if unit == "µs" else unit)
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        if unit == "µs":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
    axes.set_xlabel(group["over"])
    all_axes[0, 0].set_title(title, fontsize=8, loc="left")
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)


def draw_curve(axes: Any, name: str, curve: dict[str, Any]) -> None:
    """Draw one of them: dashed if it may grow."""
    sizes = [point["size"] for point in curve["points"]]
    values = [point["value"] for point in curve["points"]]
    style = "dashed" if curve["flat_from"] is None else "solid"
    axes.plot(sizes, values, marker="o", markersize=3, linestyle=style, label=name)

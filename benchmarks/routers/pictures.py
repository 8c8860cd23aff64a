"""A router's CPU seconds to converge over the nodes of the cluster, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt

from benchmarks.pictures import finish, save
from benchmarks.routers.cost import Cost
from benchmarks.routers.load import Series
from benchmarks.routers.table import NAMES

COLOURS = {"frr": "#0072B2", "bird": "#D55E00"}
"""Of M. Okabe and K. Ito, as in the other pictures."""


class Style(NamedTuple):
    """How a series is drawn, and what it is called."""

    line: str
    marker: str
    label: str


STYLES: dict[Series, Style] = {
    "all": Style("-", "o", "all nodes peer, every node a next hop"),
    "two": Style(":", "*", "two speakers, every node a next hop"),
    "one": Style("--", "o", "all nodes peer, one path each"),
}


def picture(costs: Sequence[Cost], path: Path) -> Path:
    """Both logarithmic, a line for each router and series, of the cases with the most routes. A cross is where
    the router was given up."""
    most = max(cost.case.routes for cost in costs)
    light = [
        cost for cost in costs if cost.case.routes == most and cost.case.speakers == "light" and not cost.case.over
    ]
    sizes = sorted({cost.case.nodes for cost in light})
    figure, axes = plt.subplots(figsize=(7.6, 5.2), layout="constrained")
    for router, colour in COLOURS.items():
        for series, style in STYLES.items():
            line = [cost for cost in light if (cost.case.router, cost.case.series) == (router, series)]
            line.sort(key=lambda cost: cost.case.nodes)
            done = [(cost.case.nodes, cost.cpu) for cost in line if cost.converged]
            lost = [(cost.case.nodes, cost.cpu) for cost in line if not cost.converged]
            if not done:
                continue
            size = 9 if style.marker == "*" else 4
            label = f"{NAMES[router]}: {style.label}"
            axes.plot(
                *zip(*done, strict=True), style.line, marker=style.marker, color=colour, markersize=size, label=label
            )
            if lost:
                axes.plot(*zip(*done[-1:], lost[0], strict=True), "-", color=colour, linewidth=0.8)
                axes.plot(*zip(*lost, strict=True), "x", color=colour, markersize=8, markeredgewidth=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=len(COLOURS), fontsize=9, frameon=False)
    title = f"until a router holds every path of {most} services (x: not by then)"
    finish(axes, "nodes of the cluster (sessions of the router, where all peer)", "CPU seconds", title)
    return save(figure, path)

"""`python -m benchmarks.pictures RESULTS.json... FOLDER`: results as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl

from benchmarks.report import read
from benchmarks.result import Point, Result, proof, ranked
from benchmarks.table import instances

mpl.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {
    "ours": "#0072B2",
    "plain": "#D55E00",
    "highs": "#009E73",
    "scip": "#CC79A7",
    "setcover": "#E69F00",
    "greedy": "#666666",
}
"""Of M. Okabe and K. Ito, distinguished by colour-blind people too."""

NAMES = {
    "ours": "bgp-speakers",
    "plain": "plain CP-SAT",
    "highs": "HiGHS",
    "scip": "SCIP",
    "setcover": "set_cover",
    "greedy": "greedy script",
}
Line = tuple[str, list[float], list[float]]


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(results: tuple[Path, ...], folder: Path) -> None:
    """Draw the results of JSON files into a folder."""
    found, limit = read(results)
    for path in draw(found, limit, folder):
        click.echo(path)


def draw(results: Sequence[Result], limit: float, folder: Path) -> list[Path]:
    """Growth for every family and peering of several sizes; the search over time for every instance that took some
    peer the whole limit."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    growing: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.cell.path is None:
            growing.setdefault((result.cell.family, result.cell.peering), []).append(result)
    for (family, peering), group in growing.items():
        if len({result.cell.size for result in group}) > 2:
            drawn.append(growth(group, limit, folder / f"growth-{family}-{peering}.png"))
    for case in instances(results):
        goal = open_goal(case)
        if goal is not None:
            some = next(iter(case.values()))
            size = "" if some.cell.path else f"-{some.cell.size}-{some.cell.peering}"
            drawn.append(search(case, goal, limit, folder / f"search-{some.instance}{size}.png"))
    return drawn


def growth(results: Sequence[Result], limit: float, path: Path) -> Path:
    """Time to the proof over the number of nodes, both logarithmic, a line a peer. A cross at the limit is where a peer
    did not prove."""
    lines: dict[str, list[tuple[int, float | None]]] = {}
    ordered = sorted(results, key=lambda result: result.cell.size)
    some = ordered[0]
    for result in ordered:
        if result.status != "missing":
            lines.setdefault(result.peer, []).append((result.nodes or result.cell.size, proof(result)))
    figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    ends: list[tuple[str, float, float]] = []
    sizes = sorted({size for points in lines.values() for size, _ in points})
    for peer, points in lines.items():
        done = [(size, max(seconds, 1e-3)) for size, seconds in points if seconds is not None]
        if not done:
            continue
        xs, ys = [size for size, _ in done], [seconds for _, seconds in done]
        axes.plot(xs, ys, "o-", color=COLOURS[peer], linewidth=3 if peer == "ours" else 1.8, markersize=4)
        lost = next((size for size, seconds in points if seconds is None and size > xs[-1]), None)
        if lost is not None:
            axes.plot([xs[-1], lost], [ys[-1], limit], ":", color=COLOURS[peer], linewidth=1.2)
            axes.plot([lost], [limit], "x", color=COLOURS[peer], markersize=7, markeredgewidth=2)
        ends.append((peer, float(lost or xs[-1]), limit if lost is not None else ys[-1]))
    axes.axhline(limit, color="#999999", linewidth=0.8, zorder=0)
    axes.text(sizes[0], limit, f"limit {limit:g} s", color="#666666", fontsize=9, va="bottom")
    axes.set_xscale("log")
    axes.set_yscale("log")
    label_ends(axes, ends)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    axes.minorticks_off()
    axes.set_xlim(sizes[0] * 0.8, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.3)
    finish(axes, "nodes", "seconds to the proof", f"{some.instance}, {some.cell.peering}")
    return save(figure, path)


def open_goal(case: Mapping[str, Result]) -> str | None:
    """The first goal that somebody who searches did not prove, and that two or more report."""
    searching = [result for result in case.values() if ranked(result) and any(b is not None for b in result.bounds)]
    for result in searching:
        for goal, value, bound in zip(result.goals, result.values or (), result.bounds, strict=True):
            if value != bound and sum(any(p.goal == goal for p in other.trajectory) for other in searching) > 1:
                return goal
    return None


def search(case: Mapping[str, Result], goal: str, limit: float, path: Path) -> Path:
    """Values (lines) and bounds (dotted) of one goal over time."""
    figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    ends: list[tuple[str, float, float]] = []
    found: list[float] = []
    needed: list[float] = []
    edge = limit * 1.3
    # Only who reached the best of the goals before can be compared in this one.
    index = next(result.goals.index(goal) for result in case.values() if goal in result.goals)
    before = min(result.values[:index] for result in case.values() if ranked(result) and result.values is not None)
    for peer, result in case.items():
        if not ranked(result) or result.values is None or result.values[:index] != before:
            continue
        end, final, bound = result.seconds or limit, float(result.values[index]), result.bounds[index]
        style: dict[str, Any] = {"color": COLOURS[peer], "linewidth": 3 if peer == "ours" else 1.8}
        values = [*steps(result.trajectory, goal, bounds=False), (end, final)]
        axes.step([t for t, _ in values], [v for _, v in values], where="post", **style)
        axes.plot([end], [final], "o", color=COLOURS[peer], markersize=4)
        axes.plot([end, edge], [final, final], color=COLOURS[peer], linewidth=0.8)
        if bound is not None:
            bounds = [*steps(result.trajectory, goal, bounds=True), (end, float(bound))]
            axes.step([t for t, _ in bounds], [v for _, v in bounds], where="post", linestyle=":", **style)
            needed.append(bound)
        found.append(final)
        ends.append((peer, edge, final))
    # Values at the start and bounds near zero would leave no room for what matters.
    low = min((bound for bound in needed if bound > 0.5 * min(found)), default=0.8 * min(found))
    margin = max(1.0, (max(found) - low) * 0.5)
    axes.set_xscale("log")
    axes.set_ylim(max(0.0, low - 0.15 * margin), max(found) + margin)
    axes.set_xlim(right=edge * (edge / axes.get_xlim()[0]) ** 0.4)
    axes.axvline(limit, color="#999999", linewidth=0.8, zorder=0)
    start = axes.get_xlim()[0]
    ticks = [tick for tick in (0.01, 0.1, 1.0, 10.0, 100.0) if start <= tick < limit / 1.5]
    axes.set_xticks([*ticks, limit], [*(f"{tick:g}" for tick in ticks), f"{limit:g}"])
    axes.minorticks_off()
    label_ends(axes, ends, values=True)
    some = next(iter(case.values()))
    size = f"{some.nodes:,} nodes, {some.routers:,} routers, {some.cell.peering}"
    finish(axes, "seconds", f"{goal}: found (line), at least needed (dotted)", f"{some.instance}: {size}")
    return save(figure, path)


def steps(trajectory: Iterable[Point], goal: str, bounds: bool) -> list[tuple[float, float]]:
    """The times at which a goal's value, or its bound, got better."""
    found: list[tuple[float, float]] = []
    for point in trajectory:
        told = point.bound if bounds else point.value
        if point.goal == goal and told is not None:
            better = not found or (told > found[-1][1] if bounds else told < found[-1][1])
            if better:
                found.append((max(point.seconds, 1e-2), float(told)))
    return found


def label_ends(axes: Any, ends: Iterable[tuple[str, float, float]], values: bool = False) -> None:
    """The names of the peers beside the ends of their lines, moved apart where they would overlap."""
    placed: list[float] = []
    axes.figure.canvas.draw()
    transform, back = axes.transData, axes.transData.inverted()
    for peer, x, y in sorted(ends, key=lambda end: end[2]):
        height = transform.transform((x, y))[1]
        if placed and height < placed[-1] + 16:
            height = placed[-1] + 16
        placed.append(height)
        text = f"{NAMES[peer]} {y:g}" if values else NAMES[peer]
        weight = "bold" if peer == "ours" else "normal"
        beside, at = back.transform((transform.transform((x, y))[0] + 9, height))
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(beside, at, text, color=COLOURS[peer], fontsize=10, fontweight=weight, va="center", bbox=box)


def finish(axes: Any, x: str, y: str, title: str) -> None:
    """Axis titles, a light grid, no box."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Any, path: Path) -> Path:
    """Write the picture; without a date, so that the same results give the same bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path


if __name__ == "__main__":
    main()

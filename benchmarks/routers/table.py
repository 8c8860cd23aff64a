"""What routers spent, as tables for a terminal and for a README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from benchmarks.routers.cost import Cost, Disturbed
from benchmarks.routers.fit import models
from benchmarks.routers.load import Case, Series

NAMES = {"frr": "FRR", "bird": "BIRD"}
ANNOUNCE: dict[Series, str] = {"all": "all nodes peer", "two": "two speakers", "one": "one path a node"}
LOST_IN_KEEPALIVES = 0.01
"""CPU seconds: what is less cannot be told from the keepalives of the seconds that it takes to open all sessions."""

HEADINGS = (
    *("router", "speakers", "over s", "nodes", "services", "peering", "sessions", "paths", "CPU s", "s", "MiB"),
    *("idle CPU s/min", "flap CPU s", "flap s", "death CPU s", "death s"),
)


def rows(costs: Iterable[Cost]) -> list[list[str]]:
    """A row for each case."""
    return [
        [
            *(
                NAMES[c.case.router],
                c.case.speakers,
                f"{c.case.over:g}",
                f"{c.case.nodes:,}",
                f"{c.case.routes:,}",
                ANNOUNCE[c.case.series],
            ),
            *(f"{c.sessions:,}", f"{c.paths:,}", spent(c), f"{c.seconds:.1f}", mebibytes(c)),
            *("" if c.steady is None else number(c.steady), *disturbed(c.flap), *disturbed(c.death)),
        ]
        for c in costs
    ]


def text(costs: Iterable[Cost]) -> list[str]:
    """The rows for a terminal."""
    table = [list(HEADINGS), *rows(costs)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def markdown(costs: Sequence[Cost]) -> list[str]:
    """For each router and cluster with the most services, CPU seconds and MiB under every peering."""
    light = {cost.case: cost for cost in costs if cost.case.speakers == "light" and not cost.case.over}
    most = max((case.routes for case in light), default=0)
    clusters = sorted({(case.nodes, case.router) for case in light if case.routes == most})
    lines = [
        f"| {most} services | nodes | {' | '.join(f'{told}: paths | CPU s | MiB' for told in ANNOUNCE.values())} |",
        f"| --- | ---: | {' | '.join(['---:'] * 3 * len(ANNOUNCE))} |",
    ]
    for nodes, router in clusters:
        cells = []
        for series in ANNOUNCE:
            case = Case(router, series, nodes, most)
            cost = light.get(case)
            cells += [f"{case.paths:,}", *(["not tried", ""] if cost is None else [spent(cost), mebibytes(cost)])]
        lines.append(f"| {NAMES[router]} | {nodes:,} | {' | '.join(cells)} |")
    return lines


def compared(costs: Sequence[Cost]) -> list[str]:
    """What the router spends under real speakers, and under light ones that take as long to open their sessions."""
    light = {cost.case: cost for cost in costs if cost.case.speakers == "light" and cost.converged}
    lines = []
    for cost in costs:
        twin = light.get(replace(cost.case, speakers="light"))
        if cost.case.speakers == "light" or not cost.converged or twin is None:
            continue
        if min(cost.cpu, twin.cpu) > LOST_IN_KEEPALIVES:
            of = f"{NAMES[cost.case.router]}, {cost.sessions} sessions, {cost.paths:,} paths"
            told = f"{number(cost.cpu)} CPU s by gobgpd, {number(twin.cpu)} by light speakers"
            lines.append(f"{of}: {told}, ratio {cost.cpu / twin.cpu:.2f}; memory {cost.memory / twin.memory:.2f}")
    return lines


def fitted(costs: Sequence[Cost]) -> list[str]:
    """The models of each router's cost."""
    lines = []
    for router in dict.fromkeys(cost.case.router for cost in costs):
        for figure, model in models(costs, router).items():
            lines.append(f"{NAMES[router]} {figure} = {'too few cases' if model is None else model.text()}")
    return lines


def spent(cost: Cost) -> str:
    """CPU seconds to converge."""
    if cost.converged:
        return number(cost.cpu)
    held = "" if cost.held is None else f" ({cost.held / cost.paths:.1%} of the paths)"
    return f"not converged after {cost.cpu:.0f}{held}"


def mebibytes(cost: Cost) -> str:
    """Memory."""
    return f"{cost.memory / 2**20:.0f}"


def disturbed(again: Disturbed | None) -> tuple[str, str]:
    """CPU seconds and seconds to be settled again."""
    return ("", "") if again is None else (number(again.cpu), f"{again.seconds:.2f}")


def number(value: float) -> str:
    """Two digits that matter.

    >>> number(0.00412), number(43.05), number(0.3)
    ('0.0041', '43', '0.30')
    """
    return f"{value:#.2g}".rstrip(".") if value < 100 else f"{value:,.0f}"

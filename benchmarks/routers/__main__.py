"""`python -m benchmarks.routers`: what a router gains, FRR and BIRD, from fewer sessions and fewer paths.

A router is a process on a loopback address; speakers have others. It gets sessions and routes as a cluster would give
them (`load.SERIES`), and its CPU seconds, memory and time are measured until it holds exactly the paths that it
must, then with nothing to do, when a route flaps, and when a speaker dies. Clock times hold for an idle machine only;
CPU seconds suffer much less from others on it.
"""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from benchmarks.routers.cost import ROUTERS, Cost, measure
from benchmarks.routers.load import GOBGP_DIALS_OVER, SERIES, Case
from benchmarks.routers.table import compared, fitted, markdown, spent, text
from tests.lab.routers import BGPD

COMMANDS = {"frr": (BGPD,), "bird": ("bird",), "gobgpd": ("gobgpd",)}


class Report(msgspec.Struct, frozen=True):
    """What was measured, and how."""

    limit: float
    """Seconds of CPU that a router may take to converge."""
    steady: float
    """Seconds for which a router is watched that has nothing to do."""
    costs: tuple[Cost, ...]


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers, as in `2,10,50`."""

    name = "N,N..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers, from least to most."""
        if isinstance(value, tuple):
            return value
        try:
            found = sorted({int(part) for part in str(value).split(",") if part})
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 2,10,50", param, ctx)
        if found and found[0] < 1:
            self.fail(f"{found[0]} is less than 1", param, ctx)
        return tuple(found)


@click.command(epilog="; ".join(f"{key}: {told}" for key, told in SERIES.items()))
@click.option("--sessions", type=Numbers(), default="2,10,50,100,200,500,1000", show_default=True, help="Nodes.")
@click.option("--services", type=Numbers(), default="1,10,100", show_default=True, help="Routes.")
@click.option("--routers", default="frr,bird", show_default=True, help="Makes of router.")
@click.option(
    "--real", type=Numbers(), default="10,30", show_default=True, help="Nodes with real gobgpds; '' for none."
)
@click.option("--limit", type=float, default=120.0, show_default=True, help="CPU seconds of a router to converge.")
@click.option("--steady", type=float, default=12.0, show_default=True, help="Seconds to watch it with nothing to do.")
@click.option("--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures here.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw a picture here.")
@click.option("--show", "shown", multiple=True, type=click.Path(exists=True, path_type=Path, dir_okay=False))
def main(
    sessions: tuple[int, ...],
    services: tuple[int, ...],
    routers: str,
    real: tuple[int, ...],
    limit: float,
    steady: float,
    output: Path | None,
    picture: Path | None,
    shown: tuple[Path, ...],
) -> None:
    """Measure what sessions and paths cost a router, or show what was measured (--show FILE, more than once)."""
    if shown:
        reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in shown]
        costs: dict[Case, Cost] = {}
        for cost in (cost for each in reports for cost in each.costs):
            costs[cost.case] = better(costs.get(cost.case, cost), cost)
        report = Report(reports[-1].limit, reports[-1].steady, tuple(costs.values()))
    else:
        makes = check(routers.split(","), bool(real))
        planned = [*cases(makes, sessions, services), *real_cases(makes, real, services)]
        report = Report(limit, steady, ())
        for cost in run(planned, limit, steady):
            report = replace(report, costs=(*report.costs, cost))
            # A run takes long, and what it has measured counts even where it is cut short.
            write(report, output)
    for lines in (text(report.costs), markdown(report.costs), compared(report.costs), fitted(report.costs)):
        click.echo("\n".join(lines) + "\n")
    write(report, output)
    if picture:
        from benchmarks.routers import pictures as router_pictures

        click.echo(router_pictures.picture(report.costs, picture))


def better(one: Cost, other: Cost) -> Cost:
    """Of two runs of a case, the less disturbed one; where the router never converged, the longer one."""
    if one.converged != other.converged:
        return one if one.converged else other
    return min(one, other, key=lambda cost: cost.cpu if cost.converged else -cost.cpu)


def write(report: Report, output: Path | None) -> None:
    """Write the figures, where a file is given."""
    if output:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(report)))


def check(makes: Sequence[str], real: bool) -> list[str]:
    """The routers that were asked for. Raises click.ClickException where a program is missing."""
    for make in makes:
        if make not in ROUTERS:
            raise click.BadParameter(f"{make!r} is none of {', '.join(ROUTERS)}", param_hint="--routers")
    missing = [c for name in [*makes, *["gobgpd"][: int(real)]] for c in COMMANDS[name] if shutil.which(c) is None]
    if missing:
        raise click.ClickException(f"not installed: {', '.join(missing)} (Debian: frr, bird2, gobgpd)")
    # A thousand sessions are two thousand open files.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return list(makes)


def cases(makes: Sequence[str], sizes: Sequence[int], services: Sequence[int]) -> Iterator[Case]:
    """The cases with light speakers, the smaller ones first."""
    for routes in services:
        for series in SERIES:
            for nodes in sizes:
                yield from (Case(make, series, nodes, routes) for make in makes)


def real_cases(makes: Sequence[str], sizes: Sequence[int], services: Sequence[int]) -> Iterator[Case]:
    """The cases with real speakers, each after the same with light ones that take as long to open their sessions."""
    for nodes in sizes:
        for make in makes:
            for series in SERIES:
                for speakers in ("light", "gobgpd"):
                    yield Case(make, series, nodes, services[-1], speakers, GOBGP_DIALS_OVER)


def run(planned: Sequence[Case], limit: float, steady: float) -> Iterator[Cost]:
    """Measure the cases one after the other.

    Where a router did not converge it is not tried with more of the same, but for the largest cluster.
    """
    largest = max(((case.nodes, case.routes) for case in planned if not case.over), default=None)
    failed: list[Case] = []
    for case in dict.fromkeys(planned):
        hopeless = any(
            (case.router, case.series, case.over) == (less.router, less.series, less.over)
            and case.nodes >= less.nodes
            and case.routes >= less.routes
            for less in failed
        )
        if hopeless and (case.nodes, case.routes) != largest:
            continue
        cost = measure(case, limit, steady)
        if not cost.converged:
            failed.append(case)
        of = f"{case.router} {case.series} {case.nodes} nodes {case.routes} services {case.speakers} {case.over:g} s"
        click.echo(f"{of}: {spent(cost)} CPU s", err=True)
        yield cost


if __name__ == "__main__":
    main()

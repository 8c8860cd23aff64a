"""`python -m benchmarks`: time to the proof of the fewest sessions, ours against one plain CP-SAT model."""

from __future__ import annotations

import sys
import time
from typing import get_args

import click

from optimizer.model import Cluster, Objective, Peering, Policy, Survive
from optimizer.optimize import optimize

from . import plain
from .families import FAMILIES, OPTIMUM

HEADER = (
    f"{'family':<12}{'peering':<14}{'nodes':>8}"
    + "".join(f"  {side:>8}{'bound':>8}{'s':>8}" for side in ("ours", "plain"))
    + f"  {'ratio':>7}"
)


@click.command()
@click.option("--family", multiple=True, type=click.Choice(list(FAMILIES)), help="Families to run [all].")
@click.option("--size", multiple=True, type=int, default=(1000, 5000), show_default=True, help="Numbers of nodes.")
@click.option("--time-limit", type=float, default=60.0, show_default=True, help="Seconds for each side.")
def main(family: tuple[str, ...], size: tuple[int, ...], time_limit: float) -> None:
    """Compare, each instance on both sides in turn; exit 1 where a known optimum is missed."""
    click.echo(HEADER)
    wrong = 0
    for name in family or tuple(FAMILIES):
        for number in size:
            cluster = FAMILIES[name](number)
            for peering in get_args(Peering):
                policy = Policy(
                    peering=peering, survive=(Survive("chassis"),), goals=("sessions",), time_limit=time_limit
                )
                known = OPTIMUM[name](number) if name in OPTIMUM else None
                wrong += run(name, number, cluster, policy, known)
    sys.exit(1 if wrong else 0)


def run(name: str, number: int, cluster: Cluster, policy: Policy, known: int | None) -> int:
    """One line of the table; 1 where a known optimum is missed, else 0. Our time includes reducing and verifying."""
    start = time.perf_counter()
    ours = optimize(cluster, policy).objectives[0]
    middle = time.perf_counter()
    theirs = plain.sessions(cluster, policy, policy.time_limit)
    first, second = middle - start, time.perf_counter() - middle
    proved = [goal is not None and goal.value == goal.bound for goal in (ours, theirs)]
    ratio = f"{second / first:7.1f}" if all(proved) else "      -"
    click.echo(f"{name:<12}{policy.peering:<14}{number:>8}  {cells(ours, first)}  {cells(theirs, second)}  {ratio}")
    return int(known is not None and (ours.value, ours.bound) != (known, known))


def cells(goal: Objective | None, seconds: float) -> str:
    """Value, bound and time."""
    value, bound = (goal.value, goal.bound) if goal else ("-", "-")
    return f"{value:>8}{bound:>8}{seconds:>8.2f}"


main()

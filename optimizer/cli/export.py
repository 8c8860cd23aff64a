"""The commands that check a placement and write it out as patches: verify, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..findings import Finding
from ..model import Cluster, Placement, Policy
from ..words import plural
from .options import FOLDER, INPUTS, PLACEMENT, PRODUCT, STYLE, VERBOSE
from .progress import Progress, tell

MOST_LISTED = 30


@click.command(
    epilog="Example: bgp-speakers export placement.json cluster.json --style node-selector --format kubectl -o patches"
)
@PLACEMENT
@INPUTS
@STYLE
@click.option(
    "--format",
    "format_",
    type=click.Choice(["kubectl", "kustomize", "helm"]),
    default="kubectl",
    show_default=True,
    help="kubectl: scripts and patches; kustomize: a Component; helm: values for OpenELB's chart.",
)
@click.option("-o", "--output", type=FOLDER, required=True, help="The folder to write.")
@PRODUCT
@VERBOSE
def export(
    placement: Path, inputs: tuple[str, ...], style: Any, format_: Any, output: Path, product: str, verbose: bool
) -> None:
    """Write the patches from the cluster in INPUT to the placement; nothing is removed before its replacement is up.

    The placement is verified against INPUT first (exit code 4 where it does not hold), and so is what is written.
    """
    from ..exports import export as exporting
    from ..plan.plan import make_plan
    from ..reports import text as report

    chosen, policy, cluster = verified(placement, inputs, product, verbose)
    made = exporting.export(make_plan(cluster, policy, chosen, style), format_)
    click.echo(report.notes((), made.hazards, verbose), nl=False, err=True)
    if not made.files:
        click.echo("nothing to change: the cluster is as the placement wants it, and nothing was written")
        return
    made.write(output)
    click.echo(f"{len(made.files)} files written to {output}:")
    names = sorted(made.files)
    shown = names if verbose or len(names) <= MOST_LISTED else [name for name in names if "/" not in name][:MOST_LISTED]
    for name in shown:
        click.echo(f"  {name}")
    if len(shown) < len(names):
        click.echo(f"  and {len(names) - len(shown)} more (all with -v; README.txt says what they are for)")


@click.command(epilog="Example: bgp-speakers verify placement.json cluster.json")
@PLACEMENT
@INPUTS
@PRODUCT
@VERBOSE
def verify(placement: Path, inputs: tuple[str, ...], product: str, verbose: bool) -> None:
    """Check a placement against INPUT, rule by rule; exit code 4 where one is broken."""
    from ..reports import text as report

    chosen, _, _ = verified(placement, inputs, product, verbose)
    accepted = report.missing(chosen, 10**9 if verbose else report.SHOWN)
    holds = "every rule holds but for what was accepted (best effort)" if accepted else "every rule holds"
    click.echo(f"{holds}: {plural(len(chosen.speakers), 'speaker')}, {plural(len(chosen.sessions), 'session')}")
    click.echo("".join(report.paragraph(label, line) for label, line in accepted), nl=False)
    click.echo("(that there can be no fewer was proved by optimize, and is not proved again here)")


def verified(path: Path, inputs: tuple[str, ...], product: str, verbose: bool) -> tuple[Placement, Policy, Cluster]:
    """The placement, its policy and the cluster that it was checked against. Raises ViolationError."""
    from ..inputs.placement import places_of, read_feasible
    from ..inputs.read import read_all
    from ..placements.verify import verify as check
    from ..plan.hazards import not_up
    from ..reports import text as report

    placement, policy, topology = read_feasible(path, product)
    with Progress(verbose) as progress:
        progress("reading")
        cluster = read_all(inputs, policy, topology, tell, product, placement.product, places_of(path))
        progress("verifying")
        stale = check(cluster, policy, placement)
    told = "the cluster, or the file, is not as when the placement was made"
    outdated = [Finding("placement-outdated", f"{told}: {sentence}") for sentence in stale]
    click.echo(report.notes(outdated, not_up(cluster, placement), verbose), nl=False, err=True)
    return placement, policy, cluster

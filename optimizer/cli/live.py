"""The commands that plan and make a change of a live cluster: plan, apply, rollback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import LiveError, StoppedError
from ..words import plural
from .options import FILE, FORMAT, PLACEMENT, PRODUCT, STYLE, options
from .progress import tell

if TYPE_CHECKING:
    from ..kube.client import Api
    from ..rollout.live_plan import Request

CLUSTER = options(
    click.option("--context", metavar="NAME", help="The kubeconfig's context [the current one]."),
    click.option("--kubeconfig", type=FILE, help="The kubeconfig [as kubectl finds it]."),
)
PLAN = options(
    STYLE,
    click.option(
        "--max-parallel",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        help="The most speakers that start, stop or restart at once.",
    ),
    click.option(
        "--allow-break",
        is_flag=True,
        help="Close old sessions first where a router's limit, or a restart, leaves no other way.",
    ),
)
PACE = options(
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="Stop after waiting this long without any progress.",
    ),
    click.option(
        "--interval",
        type=click.FloatRange(min=0, min_open=True),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="The time between two looks at the cluster.",
    ),
    click.option(
        "--allow-silent",
        is_flag=True,
        help="Let a session count although its speaker announces nothing in it.",
    ),
)
YES = click.option("--yes", is_flag=True, help="Really do it.")


def connect(kubeconfig: Path | None, context: str | None) -> Api:
    """The API server, which reports when it makes us wait."""
    from ..kube.client import connect as connect_to

    api = connect_to(kubeconfig, context)
    api.tell = tell
    return api


def asked(
    placement: Path, style: Any, max_parallel: int, allow_break: bool, product: str, allow_managed: bool = False
) -> Request:
    """What is to be brought about. Raises ViolationError for a file that holds no placement."""
    from ..inputs.placement import places_of, read_feasible
    from ..rollout.live_plan import Request

    chosen, policy, topology = read_feasible(placement, product)
    places = places_of(placement)
    return Request(chosen, policy, topology, style, max_parallel, allow_break, allow_managed, product, places)


@click.command(epilog="Example: bgp-speakers plan placement.json --max-parallel 20")
@PLACEMENT
@CLUSTER
@PLAN
@FORMAT
@PRODUCT
@click.option("-v", "--verbose", is_flag=True, help="Show lists in full, and every router's sessions.")
def plan(
    placement: Path,
    context: str | None,
    kubeconfig: Path | None,
    style: Any,
    max_parallel: int,
    allow_break: bool,
    format_: str,
    product: str,
    verbose: bool,
) -> None:
    """Show the steps that lead the live cluster to the placement, and what its API server says to them.

    Nothing is written: the server is asked with dryRun=All. Exit code 4 where the placement does not hold in the
    cluster as it is now, 1 where the server would refuse a change.
    """
    from ..reports import plan as report_plan
    from ..reports import text as report
    from ..rollout.dry_run import preview
    from ..rollout.live_plan import plan_live

    wanted = asked(placement, style, max_parallel, allow_break, product)
    api = connect(kubeconfig, context)
    live = plan_live(api, wanted, tell if verbose else lambda _: None)
    seen = preview(api, live)
    managed = live.managed
    if managed:
        click.echo(report.paragraph("warning", managed), nl=False, err=True)
    if format_ == "json":
        click.echo(report_plan.plan_json(live, seen, managed).decode(), nl=False)
    else:
        click.echo(report_plan.plan_text(live, seen, verbose), nl=False)
    if seen.refused:
        more = f" (and {plural(len(seen.refused) - 1, 'more change')})" if len(seen.refused) > 1 else ""
        raise LiveError(f"the server would refuse the change of {seen.refused[0].object}{more}: {seen.refused[0].why}")


@click.command(epilog="Example: bgp-speakers apply placement.json --yes")
@PLACEMENT
@CLUSTER
@PLAN
@PACE
@click.option("--rollback-file", type=FILE, help="Where the way back is written [PLACEMENT with .rollback.json].")
@click.option("--allow-managed", is_flag=True, help="Change a DaemonSet that Helm or a GitOps tool manages.")
@PRODUCT
@YES
def apply(
    placement: Path,
    context: str | None,
    kubeconfig: Path | None,
    style: Any,
    max_parallel: int,
    allow_break: bool,
    timeout: float,
    interval: float,
    allow_silent: bool,
    rollback_file: Path | None,
    allow_managed: bool,
    product: str,
    yes: bool,
) -> None:
    """Bring the live cluster to the placement: nothing is taken away before what replaces it is established.

    Stopped or killed at any point, run it again and it goes on; `rollback` with the file that it writes takes it back.
    """
    from ..rollout.apply import apply as bring
    from ..rollout.waiting import Pace

    if not yes:
        raise click.UsageError("apply changes the cluster; look at it with `plan` first, then give --yes")
    wanted = asked(placement, style, max_parallel, allow_break, product, allow_managed)
    file = rollback_file or placement.with_suffix(".rollback.json")
    live = bring(connect(kubeconfig, context), wanted, file, Pace(timeout, interval, allow_silent), tell)
    reached = live.plan.placement
    click.echo(f"done: {len(reached.speakers)} speakers, {len(reached.sessions)} sessions established")
    if file.exists():
        click.echo(f"rollback {file} takes it back")


@click.command(epilog="Example: bgp-speakers rollback placement.rollback.json --yes")
@click.argument("file", type=FILE)
@CLUSTER
@PACE
@click.option("--allow-break", is_flag=True, help="Let a router be short of a session while its speakers restart.")
@YES
def rollback(
    file: Path,
    context: str | None,
    kubeconfig: Path | None,
    timeout: float,
    interval: float,
    allow_silent: bool,
    allow_break: bool,
    yes: bool,
) -> None:
    """Take back what `apply` has done, all or a part of it, removing nothing before its replacement is up either."""
    from ..rollout.rollback import rollback as take_back
    from ..rollout.waiting import Pace

    if not yes:
        raise click.UsageError("rollback changes the cluster; give --yes")
    left = take_back(connect(kubeconfig, context), file, Pace(timeout, interval, allow_silent), tell, allow_break)
    if left:
        raise StoppedError(f"all but {len(left)} changes were rolled back: {'; '.join(left)}")
    click.echo("done: all changes were rolled back")

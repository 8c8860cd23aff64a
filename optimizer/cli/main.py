"""The command line: read, call one function, write."""

from __future__ import annotations

import errno
import gc
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from .. import __version__
from ..errors import LiveError, OptimizerError, ViolationError
from ..files import write_file
from ..inputs.cluster import read_cluster
from ..inputs.placement import placement_to_json, read_placement
from ..inputs.policy import read_policy
from ..inputs.routers import with_topology
from ..inputs.topology import Topology, check_speaker_label, read_topology
from ..model import Cluster, Mode, Peering, Placement, Policy
from .live import PRODUCT, apply, plan, rollback

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)
INPUTS = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
MOST_LISTED = 30
LIVE_OPTIONS = (
    click.option("--live", is_flag=True, help="Read the cluster that kubectl talks to, instead of INPUT."),
    click.option("--context", metavar="NAME", help="With --live: the kubeconfig's context [the current one]."),
    click.option("--kubeconfig", type=FILE, help="With --live: the kubeconfig [as kubectl finds it]."),
)
VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Show every step, and lists in full.")


def live_options(command: Command) -> Command:
    """The options that name a live cluster."""
    for option in reversed(LIVE_OPTIONS):
        command = option(command)
    return command


class Group(click.Group):
    """Turns the package's errors into one sentence on stderr and the exit code of the contract."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OptimizerError as error:
            click.echo(f"bgp-speakers: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            click.echo(f"bgp-speakers: the output cannot be written ({error.strerror})", err=True)
            ctx.exit(1)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 118},
    epilog="Example: kubectl get nodes,pods,daemonsets,bgppeers,bgpconfs -A -o json | bgp-speakers optimize -",
)
@click.version_option(__version__)
def main() -> None:
    """The fewest BGP sessions that keep every router redundant: computed, proved, verified, exported as patches.

    INPUT is a file or folder of Kubernetes objects (JSON or YAML, as kubectl prints them), or - for stdin.
    """


for command in (plan, apply, rollback):
    main.add_command(command)


class Progress:
    """Tells on stderr what is going on: everything with -v, otherwise once a second, from the first second on."""

    def __init__(self, verbose: bool) -> None:
        self.verbose, self.start, self.told, self.latest = verbose, time.monotonic(), 0.0, ""
        # A step may take long without a word: then the one that goes on after a second is told.
        self.timer = threading.Timer(1.0, self.tell)
        self.timer.daemon = True

    def __enter__(self) -> Progress:
        if not self.verbose:
            self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()

    def __call__(self, what: object) -> None:
        """Tell one step."""
        self.latest = str(what)
        if self.verbose or time.monotonic() - max(self.start, self.told) > 1:
            self.tell()

    def tell(self) -> None:
        """Print the latest step."""
        self.told = time.monotonic()
        click.echo(f"{self.told - self.start:6.1f} s  {self.latest}", err=True)


@main.command(
    epilog="Example: bgp-speakers optimize cluster.json --topology topology.yaml --survive rack -o placement.json"
)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@live_options
@click.option("--topology", type=FILE, help="Routers, attachments and failure domains (YAML or JSON).")
@click.option("--policy", type=FILE, help="What is asked for (YAML or JSON); the options below go over it.")
@click.option("-o", "--output", type=FILE, help="Write the placement, for export, to this file.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="What stdout gets.")
@click.option("--speakers-per-router", type=int, help="Sessions that every router keeps, each from another node [2].")
@click.option(
    "--peering",
    type=click.Choice(get_args(Peering)),
    help="all-attached: a speaker peers with all its routers; selected: sessions are chosen.",
)
@click.option(
    "--survive",
    multiple=True,
    metavar="KIND[=N]",
    help="Keep N sessions [1] whichever one domain of the kind fails; may be given again.",
)
@click.option("--mode", type=click.Choice(get_args(Mode)), help="How services are announced [bgp].")
@click.option("--time-limit", type=float, metavar="SECONDS", help="Stop proving after this long [60].")
@click.option("--max-moves", type=int, help="The most speakers that may start or stop on eligible nodes.")
@click.option("--pin", multiple=True, metavar="NODE", help="A node that must run a speaker; may be given again.")
@click.option("--ban", multiple=True, metavar="NODE", help="A node that must not run a speaker; may be given again.")
@click.option("--best-effort", is_flag=True, default=None, help="Where not all rules can hold, miss as few as can be.")
@click.option("--allow-break", is_flag=True, default=None, help="Let a router be over its limit during the change.")
@click.option(
    "--speaker-label", metavar="KEY=VALUE", help="The node label that marks speakers [bgp-speakers/speaker=true]."
)
@click.option("--daemonset", metavar="[NAMESPACE/]NAME", help="The speaker DaemonSet [openelb-speaker].")
@PRODUCT
@VERBOSE
@click.pass_context
def optimize(
    ctx: click.Context,
    /,
    inputs: tuple[str, ...],
    live: bool,
    context: str | None,
    kubeconfig: Path | None,
    topology: Path | None,
    policy: Path | None,
    output: Path | None,
    format_: str,
    product: str,
    verbose: bool,
    **options: Any,
) -> None:
    """Find the placement with the fewest BGP sessions, prove it, and verify it.

    Exit code 3 means that no placement keeps all the rules; the answer then tells which rules conflict, and what
    would help.
    """
    # The solver takes a while to import, so other commands and --help do without it.
    from ..placements.optimize import optimize as find_placement
    from ..reports import text as report

    check_source(inputs, live, context, kubeconfig)
    for path in (*map(Path, inputs), topology, policy, kubeconfig):
        if output and path and output.exists() and path.exists() and output.samefile(path):
            raise click.UsageError(f"--output {output} is one of the inputs")
    with Progress(verbose) as progress:
        asked = read_policy(policy, policy_options(options))
        given = read_topology(topology) if topology else Topology()
        progress("reading")
        if live:
            cluster, asked, placement = place_live(context, kubeconfig, asked, given, product, progress)
        else:
            cluster = read_inputs(inputs, asked, given, product)
            placement = find_placement(cluster, asked, progress)
    data = placement_to_json(placement, asked, given)
    if output:
        write_file(output, data)
    click.echo(report.notes(placement.warnings, placement.hazards, verbose), nl=False, err=True)
    click.echo(data.decode() if format_ == "json" else report.text(cluster, asked, placement, verbose), nl=False)
    ctx.exit(3 if placement.status == "infeasible" else 0)


@main.command(
    epilog="Example: bgp-speakers export placement.json cluster.json --style node-selector --format kubectl -o patches"
)
@click.argument("placement", type=FILE)
@INPUTS
@click.option(
    "--style",
    type=click.Choice(["node-selector", "affinity", "taints"]),
    default="node-selector",
    show_default=True,
    help="How the DaemonSet is told where to run; all styles label the chosen nodes.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["kubectl", "kustomize", "helm"]),
    default="kubectl",
    show_default=True,
    help="kubectl: scripts and patches; kustomize: a Component; helm: values for OpenELB's chart.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write."
)
@PRODUCT
@VERBOSE
def export(
    placement: Path, inputs: tuple[str, ...], style: Any, format_: Any, output: Path, product: str, verbose: bool
) -> None:
    """Write the patches that lead from the cluster in INPUT to the placement, in an order that loses no route.

    The placement is verified against INPUT first (exit code 4 where it does not hold), and so is what is written.
    """
    from ..exports import export as exporting
    from ..plan.plan import make_plan
    from ..reports import text as report

    chosen, policy, cluster = checked_placement(placement, inputs, product, verbose)
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


@main.command(epilog="Example: bgp-speakers verify placement.json cluster.json")
@click.argument("placement", type=FILE)
@INPUTS
@PRODUCT
@VERBOSE
def verify(placement: Path, inputs: tuple[str, ...], product: str, verbose: bool) -> None:
    """Check a placement against INPUT, rule by rule; exit code 4 where one is broken."""
    chosen, _, _ = checked_placement(placement, inputs, product, verbose)
    click.echo(f"every rule holds: {len(chosen.speakers)} speakers, {len(chosen.sessions)} sessions")
    click.echo("(that there can be no fewer was proved by optimize, and is not proved again here)")


def checked_placement(
    path: Path, inputs: tuple[str, ...], product: str, verbose: bool
) -> tuple[Placement, Policy, Cluster]:
    """The placement, its policy and the cluster that it was checked against. Raises ViolationError."""
    from ..checks.placement import check_placement

    placement, policy, topology = read_placement(path)
    if placement.status == "infeasible":
        raise ViolationError((f"{path} holds no placement: its status is infeasible",))
    with Progress(verbose) as progress:
        progress("reading")
        cluster = read_inputs(inputs, policy, topology, product, placement.product)
        progress("verifying")
        found = check_placement(cluster, policy, placement)
        broken = check_placement(cluster, policy, placement, claims=False) if found else ()
    if broken:
        raise ViolationError(broken)
    for stale in found:
        click.echo(f"warning       the cluster, or the file, is not as when the placement was made: {stale}", err=True)
    return placement, policy, cluster


def read_inputs(
    inputs: tuple[str, ...], policy: Policy, topology: Topology, product: str = "", expected: str = ""
) -> Cluster:
    """The cluster with its topology; the last two as `read_cluster` has them."""
    check_speaker_label(topology, policy.speaker.label[0])
    # All that is read is kept, so to look for garbage meanwhile, and in it later, takes half the time for nothing.
    gc.disable()
    try:
        tell = partial(click.echo, err=True)
        cluster = read_cluster(inputs, policy.speaker.daemonset, tell, product, expected)
        return with_topology(cluster, topology, policy)
    finally:
        gc.freeze()
        gc.enable()


def check_source(inputs: tuple[str, ...], live: bool, context: str | None, kubeconfig: Path | None) -> None:
    """Raise UsageError unless the cluster comes either from INPUT or from a live one."""
    if live and inputs:
        raise click.UsageError(f"--live reads the cluster itself, so INPUT ({inputs[0]}) cannot be given too")
    for option, value in (("--context", context), ("--kubeconfig", kubeconfig)):
        if value is not None and not live:
            raise click.UsageError(f"{option} goes with --live")
    if not live and not inputs:
        raise click.UsageError("Missing argument 'INPUT...' (or --live)")


def place_live(
    context: str | None, kubeconfig: Path | None, policy: Policy, topology: Topology, product: str, progress: Progress
) -> tuple[Cluster, Policy, Placement]:
    """A live cluster, what it is asked, and the placement. Raises LiveError too, also where Ctrl-C ends the reading."""
    from ..kube.client import connect
    from ..placements.live import optimize_live, without_head_room

    try:
        cluster, placement, _ = optimize_live(connect(kubeconfig, context), policy, topology, progress, product)
    except KeyboardInterrupt:
        raise LiveError("interrupted before there was a placement; nothing was changed") from None
    return cluster, without_head_room(policy), placement


def policy_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, by the keys of the policy file."""
    keys = {
        "speakers_per_router": "speakersPerRouter",
        "peering": "peering",
        "mode": "mode",
        "time_limit": "timeLimit",
        "max_moves": "maxMoves",
        "best_effort": "bestEffort",
        "allow_break": "allowBreak",
    }
    data = {key: options[name] for name, key in keys.items() if options[name] is not None}
    if options["survive"]:
        data["survive"] = [survive_entry(text) for text in options["survive"]]
    nodes = {key: list(options[key]) for key in ("pin", "ban") if options[key]}
    speaker = {"label": options["speaker_label"], "daemonSet": options["daemonset"]}
    speaker = {key: value for key, value in speaker.items() if value is not None}
    return data | ({"nodes": nodes} if nodes else {}) | ({"speaker": speaker} if speaker else {})


def survive_entry(text: str) -> dict[str, Any]:
    """`rack` or `rack=2` as an entry of the policy."""
    kind, equals, number = text.partition("=")
    if not equals:
        return {"kind": kind}
    try:
        return {"kind": kind, "survivors": int(number)}
    except ValueError:
        raise click.UsageError(f"--survive {text}: {number!r} is not a number") from None

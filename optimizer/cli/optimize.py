"""The command that finds the placement: optimize."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from ..errors import LiveError
from ..files import write_file
from ..inputs.placement import placement_to_json
from ..inputs.policy import read_policy
from ..inputs.read import read_all
from ..inputs.routers import Places
from ..inputs.topology import Topology, read_topology
from ..model import Cluster, Mode, Peering, Placement, Policy
from .options import ANY, FILE, FORMAT, PRODUCT, VERBOSE, options
from .progress import Progress, tell

SOURCE = options(
    click.argument("inputs", nargs=-1, metavar="INPUT...", type=ANY),
    click.option("--live", is_flag=True, help="Read the cluster that kubectl talks to, instead of INPUT."),
    click.option("--context", metavar="NAME", help="With --live: the kubeconfig's context [the current one]."),
    click.option("--kubeconfig", type=FILE, help="With --live: the kubeconfig [as kubectl finds it]."),
    click.option("--topology", type=FILE, help="Routers, attachments and failure domains (YAML or JSON)."),
    click.option("--policy", type=FILE, help="What is asked for (YAML or JSON); the options below override it."),
)
RULES = options(
    click.option(
        "--speakers-per-router", type=int, help="Sessions that every router keeps, each from another node [2]."
    ),
    click.option(
        "--peering",
        type=click.Choice(get_args(Peering)),
        help="all-attached: a speaker peers with all its routers; selected: sessions are chosen [all-attached].",
    ),
    click.option(
        "--survive",
        multiple=True,
        metavar="KIND[=N]",
        help="Keep N sessions [1] whichever one domain of the kind fails; may be given again.",
    ),
    click.option("--mode", type=click.Choice(get_args(Mode)), help="How services are announced [bgp]."),
    click.option("--time-limit", type=float, metavar="SECONDS", help="Stop proving after this long [60]."),
    click.option("--max-moves", type=int, help="The most speakers that may start or stop on eligible nodes."),
    click.option("--pin", multiple=True, metavar="NODE", help="A node that must run a speaker; may be given again."),
    click.option(
        "--ban", multiple=True, metavar="NODE", help="A node that must not run a speaker; may be given again."
    ),
    click.option(
        "--best-effort", is_flag=True, default=None, help="Where not all rules can hold, miss as few as can be."
    ),
    click.option("--allow-break", is_flag=True, default=None, help="Let a router be over its limit during the change."),
    click.option(
        "--speaker-label", metavar="KEY=VALUE", help="The node label that marks speakers [bgp-speakers/speaker=true]."
    ),
    click.option(
        "--daemonset", metavar="[NAMESPACE/]NAME", help="The speaker DaemonSet [as labels, image or name tell]."
    ),
)


@click.command(
    epilog="Example: bgp-speakers optimize cluster.json --topology topology.yaml --survive rack -o placement.json"
)
@SOURCE
@click.option("-o", "--output", type=FILE, help="Write the placement, for export, to this file.")
@FORMAT
@RULES
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
    **rules: Any,
) -> None:
    """Find the placement with the fewest BGP sessions, prove it, and verify it.

    Exit code 3 means that no placement keeps all the rules; the answer then tells which rules conflict, and what
    would help.
    """
    # The solver takes a while to import, so other commands and --help do without it.
    from ..placements.optimize import optimize as find_placement
    from ..reports import text as report

    check_source(inputs, live, context, kubeconfig)
    check_output(output, (*map(Path, inputs), topology, policy, kubeconfig))
    with Progress(verbose) as progress:
        asked = read_policy(policy, policy_options(rules))
        given = read_topology(topology) if topology else Topology()
        places = Places("options" if rules["survive"] else str(policy or "policy"), str(topology or "topology"))
        progress("reading")
        if live:
            cluster, asked, placement = place_live(context, kubeconfig, asked, given, product, progress, places)
        else:
            cluster = read_all(inputs, asked, given, tell, product, places=places)
            placement = find_placement(cluster, asked, progress)
    data = placement_to_json(placement, asked, given)
    if output:
        write_file(output, data)
    click.echo(report.notes(placement.warnings, placement.hazards, verbose), nl=False, err=True)
    click.echo(data.decode() if format_ == "json" else report.text(cluster, asked, placement, verbose), nl=False)
    ctx.exit(3 if placement.status == "infeasible" else 0)


def check_source(inputs: tuple[str, ...], live: bool, context: str | None, kubeconfig: Path | None) -> None:
    """Raise UsageError unless the cluster comes either from INPUT or from a live one."""
    if live and inputs:
        raise click.UsageError(f"--live reads the cluster itself, so INPUT ({inputs[0]}) cannot be given too")
    for option, value in (("--context", context), ("--kubeconfig", kubeconfig)):
        if value is not None and not live:
            raise click.UsageError(f"{option} goes with --live")
    if not live and not inputs:
        raise click.UsageError("Missing argument 'INPUT...' (or --live)")


def check_output(output: Path | None, inputs: tuple[Path | None, ...]) -> None:
    """Raise UsageError where the output would overwrite one of the inputs."""
    for path in inputs:
        if output and path and output.exists() and path.exists() and output.samefile(path):
            raise click.UsageError(f"--output {output} is one of the inputs")


def place_live(
    context: str | None,
    kubeconfig: Path | None,
    policy: Policy,
    topology: Topology,
    product: str,
    progress: Progress,
    places: Places,
) -> tuple[Cluster, Policy, Placement]:
    """A live cluster, what it is asked, and the placement. Raises LiveError too, also where Ctrl-C ends the reading."""
    from ..kube.client import connect
    from ..placements.live import optimize_live, without_head_room

    try:
        api = connect(kubeconfig, context)
        cluster, placement, _ = optimize_live(api, policy, topology, progress, product, places)
    except KeyboardInterrupt:
        raise LiveError("interrupted before there was a placement; nothing was changed") from None
    return cluster, without_head_room(policy), placement


def policy_options(rules: dict[str, Any]) -> dict[str, Any]:
    """The rules that were given as options, by the keys of the policy file."""
    keys = {
        "speakers_per_router": "speakersPerRouter",
        "peering": "peering",
        "mode": "mode",
        "time_limit": "timeLimit",
        "max_moves": "maxMoves",
        "best_effort": "bestEffort",
        "allow_break": "allowBreak",
    }
    data = {key: rules[name] for name, key in keys.items() if rules[name] is not None}
    if rules["survive"]:
        data["survive"] = [survive_entry(text) for text in rules["survive"]]
    nodes = {key: list(rules[key]) for key in ("pin", "ban") if rules[key]}
    speaker = {"label": rules["speaker_label"], "daemonSet": rules["daemonset"]}
    speaker = {key: value for key, value in speaker.items() if value is not None}
    return data | ({"nodes": nodes} if nodes else {}) | ({"speaker": speaker} if speaker else {})


def survive_entry(text: str) -> dict[str, Any]:
    """`rack` or `rack=2` as an entry of the policy."""
    kind, equals, number = text.partition("=")
    if not kind.strip():
        raise click.UsageError(f"--survive {text}: the kind of failure domain is missing")
    if not equals:
        return {"kind": kind}
    try:
        return {"kind": kind, "survivors": int(number)}
    except ValueError:
        raise click.UsageError(f"--survive {text}: {number!r} is not a number") from None

"""Why a working speaker stops while one is chosen that does not work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from ..errors import NoAnswerError
from ..findings import Finding, node_of
from ..model import Cluster, Placement, Policy
from ..words import are, listed, plural

SHOWN = 5

Place = Callable[[Cluster, Policy], Placement]
"""The best placement, with the conflicting rules where there is none."""


def findings(
    cluster: Cluster, policy: Policy, placement: Placement, causes: Mapping[str, Sequence[str]], place: Place
) -> tuple[Finding, ...]:
    """Why working speakers stop while ones of the same routers are chosen that do not work, or of which a session is
    down; `causes` say of every node that is not eligible why."""
    today, then = cluster.today, set(placement.speakers)
    doubtful = [each for each in placement.sessions if each.node in today.down.get(each.router, ())]
    chosen = sorted({each.node for each in doubtful} if placement.sessions else then.intersection(today.broken))
    held = today.held
    near = {name for each in doubtful for name in held.get(each.router, ())}
    stopped = [name for name in today.working if name not in then and (name in near or not placement.sessions)]
    if not chosen or not stopped:
        return ()
    must = [f"{name} ({causes[name][0]})" for name in stopped if name in causes]
    may = [name for name in stopped if name not in causes]
    why = [f"{listed(must, SHOWN)} cannot stay"] if must else []
    why += [f"{listed(may, SHOWN)}: {reason(cluster, policy, placement, chosen, place)}"] if may else []
    told = (
        f"{plural(len(stopped), 'working speaker')} {'stops' if len(stopped) == 1 else 'stop'}, while "
        f"{listed(chosen, SHOWN)} {are(len(chosen))} chosen, of which not all is up: {'; '.join(why)}"
    )
    return (Finding("working-speaker-stops", told, node_of(stopped)),)


def reason(cluster: Cluster, policy: Policy, placement: Placement, chosen: Sequence[str], place: Place) -> str:
    """The rule or goal that asks for the speakers that do not work: what there would be without them."""
    if pinned := sorted(set(chosen).intersection(policy.nodes.pin)):
        return f"{pinned[0]} is pinned"
    nodes = structs.replace(policy.nodes, ban=tuple(sorted({*policy.nodes.ban, *chosen})))
    without = f"without {listed(chosen, SHOWN)}"
    try:
        other = place(cluster, structs.replace(policy, nodes=nodes))
    except NoAnswerError:
        return f"whether there is a placement {without} was not found out in time"
    if other.status == "infeasible":
        rules = [rule for conflict in other.diagnosis for rule in conflict.rules]
        return f"{without} the rules cannot hold ({rules[0] if rules else 'several together'})"
    for ours, theirs in zip(placement.objectives, other.objectives, strict=True):
        if theirs.value != ours.value:
            known = "" if (ours.value, theirs.value) == (ours.bound, theirs.bound) else ", as far as is known"
            return f"the goal {ours.name} comes first, {without} it would be {theirs.value}, not {ours.value}{known}"
    return f"no goal tells them apart; ban {listed(chosen, SHOWN)} to have it otherwise"

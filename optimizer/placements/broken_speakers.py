"""What a placement does with speakers that do not work: which it chooses, and why a working one stops meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from ..errors import NoAnswerError
from ..findings import Finding
from ..model import Cluster, Placement, Policy
from ..words import are, listed, plural

SHOWN = 5
MOST_TIME = 10.0
"""The most seconds that it may take to find out what there would be without them."""

Place = Callable[[Cluster, Policy], Placement]
"""The best placement, with the conflicting rules where there is none."""


def findings(
    cluster: Cluster, policy: Policy, placement: Placement, causes: Mapping[str, Sequence[str]], place: Place
) -> tuple[Finding, ...]:
    """The chosen speakers and sessions that do not work, and why working ones stop for them; `causes` say of every node
    that is not eligible why."""
    today, then = cluster.today, set(placement.speakers)
    chosen = tuple(name for name in placement.speakers if name in today.broken)
    stopped = tuple(name for name in today.working if name not in then)
    found = []
    if chosen:
        told = f"{plural(len(chosen), 'chosen speaker')} {'does' if len(chosen) == 1 else 'do'} not work today"
        names = listed([f"{name} ({today.broken[name]})" for name in chosen], SHOWN)
        found.append(Finding("broken-speaker-chosen", f"{told}: {names}", node_of(chosen)))
    down = {(name, router) for router, names in today.down.items() for name in names if name not in today.broken}
    if lost := [f"{each.node} - {each.router}" for each in placement.sessions if (each.node, each.router) in down]:
        told = f"{plural(len(lost), 'chosen session')} {are(len(lost))} reported down today: {listed(lost, SHOWN)}"
        found.append(Finding("down-session-chosen", told))
    if chosen and stopped:
        must = [f"{name} ({causes[name][0]})" for name in stopped if name in causes]
        may = [name for name in stopped if name not in causes]
        why = [f"{listed(must, SHOWN)} cannot stay"] if must else []
        why += [f"{listed(may, SHOWN)}: {reason(cluster, policy, placement, chosen, place)}"] if may else []
        told = f"{plural(len(stopped), 'working speaker')} {'stops' if len(stopped) == 1 else 'stop'}, while "
        told += f"{listed(chosen, SHOWN)} {are(len(chosen))} chosen though not working: {'; '.join(why)}"
        found.append(Finding("working-speaker-stops", told, node_of(stopped)))
    return tuple(found)


def reason(cluster: Cluster, policy: Policy, placement: Placement, chosen: Sequence[str], place: Place) -> str:
    """The rule or goal that asks for the speakers that do not work: what there would be without them."""
    if pinned := sorted(set(chosen).intersection(policy.nodes.pin)):
        return f"{pinned[0]} is pinned"
    nodes = structs.replace(policy.nodes, ban=tuple(sorted({*policy.nodes.ban, *chosen})))
    without = f"without {listed(chosen, SHOWN)}"
    try:
        other = place(cluster, structs.replace(policy, nodes=nodes, time_limit=min(policy.time_limit, MOST_TIME)))
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


def node_of(names: Sequence[str]) -> str:
    """The object of a finding about one node."""
    return f"Node {names[0]}" if len(names) == 1 else ""

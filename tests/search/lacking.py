"""What a placement lacks of redundancy, survival and coverage, for the brute force: by the rules in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from optimizer.model import Cluster, Node, Policy

Could = Mapping[str, list[str]]
"""For every router the nodes that could hold a session with it."""


class Missing(Struct, frozen=True):
    """So many sessions that a router lacks under a rule, such as survival when one of the domains of a kind fails."""

    router: str
    rule: str
    number: int


def all_missing(
    cluster: Cluster,
    policy: Policy,
    eligible: list[Node],
    could: Could,
    speakers: list[str],
    sessions: list[tuple[str, str]],
) -> list[Missing]:
    """Everything that redundancy, survival and coverage lack."""
    missing = []
    if policy.mode == "bgp":
        for router in cluster.routers:
            if router.min_speakers == 0:
                continue
            nodes = [node for node, name in sessions if name == router.name]
            needed = max(policy.speakers_per_router, router.min_speakers or 0)
            missing.append(Missing(router.name, "redundancy", needed - len(nodes)))
            for rack, own in racks_at(cluster, policy, could[router.name]).items():
                wanted = min(policy.speakers_per_router, len(own))
                have = len(set(nodes) & set(own))
                missing.append(Missing(router.name, f"announcement of {rack}", 1 - have))
                missing.append(Missing(router.name, f"coverage of {rack}", wanted - have))
            for rule in policy.survive:
                for value in domains(cluster, rule.kind):
                    if router.domains.get(rule.kind) != value:
                        left = len(outside(cluster, nodes, rule.kind, value))
                        missing.append(Missing(router.name, f"survival of {rule.kind}", rule.survivors - left))
    else:
        least = policy.speakers_per_router
        missing.append(Missing(policy.mode, "redundancy", least - len(speakers)))
        rules = [(rule.kind, max(rule.survivors, least - 1)) for rule in policy.survive]
        if not rules:
            domains_of = {(kind, value) for node in eligible for kind, value in node.domains.items()}
            kinds = {kind for kind, _ in domains_of}
            enough = [kind for kind in sorted(kinds) if len([pair for pair in domains_of if pair[0] == kind]) >= least]
            rules = [(kind, least - 1) for kind in enough]
        for kind, survivors in rules:
            for value in domains(cluster, kind):
                left = len(outside(cluster, speakers, kind, value))
                missing.append(Missing(policy.mode, f"survival of {kind}", survivors - left))
    return [lack for lack in missing if lack.number > 0]


def is_short(rule: str) -> bool:
    """Whether the rule belongs to the goal `shortfall`: a router short of sessions, or a rack without any; else it
    belongs to `exposure`."""
    return rule == "redundancy" or rule.startswith("announcement")


def rack_of(cluster: Cluster, name: str) -> str:
    """The rack of a node, with which alone it is announced, in words."""
    label = next(node for node in cluster.nodes if node.name == name).labels.get("openelb.kubesphere.io/rack")
    return f"rack {label}" if label else "nodes in no rack"


def racks_at(cluster: Cluster, policy: Policy, could: list[str]) -> dict[str, list[str]]:
    """The nodes that could hold a session with a router by rack, where each rack is to keep sessions of its own."""
    if policy.coverage is False or not cluster.settings.get("asPerRack"):
        return {}
    racks = sorted({rack_of(cluster, name) for name in could})
    return {rack: [name for name in could if rack_of(cluster, name) == rack] for rack in racks}


def worst(missing: Iterable[Missing]) -> dict[tuple[str, str], int]:
    """By router and rule the most that is missing, whichever domain fails."""
    found: dict[tuple[str, str], int] = {}
    for lack in missing:
        found[lack.router, lack.rule] = max(lack.number, found.get((lack.router, lack.rule), 0))
    return found


def domains(cluster: Cluster, kind: str) -> list[str]:
    """The domains of a kind that some node is in."""
    return sorted({node.domains[kind] for node in cluster.nodes if kind in node.domains})


def outside(cluster: Cluster, names: list[str], kind: str, value: str) -> list[str]:
    """Those of the nodes that are not in the domain."""
    return [node.name for node in cluster.nodes if node.name in names and node.domains.get(kind) != value]

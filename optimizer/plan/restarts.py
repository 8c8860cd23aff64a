"""Restarts of speakers in rounds, each of which leaves every router most of its sessions.

A DaemonSet that is updated by hand (OnDelete) stops, when its template changes, the pods on nodes that the template
no longer selects, and leaves all others as they are. So the strategy is changed for the time of the change.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..errors import InputError
from ..kube.changes import Patch, Restart
from ..kube.patches import unmerge
from ..model import Cluster, Placement, Policy, Router, Session

HELD = {"type": "OnDelete", "rollingUpdate": None}
DEFAULT = {"type": "RollingUpdate"}
ANNOTATION = "bgp-speakers/update-strategy"
"""Annotation of a DaemonSet that is held: its own update strategy as JSON, so that an interrupted change is known."""


def strategy(daemonset: Mapping[str, Any]) -> str:
    """The type of the DaemonSet's update strategy."""
    return (daemonset["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate"


def is_held(daemonset: Mapping[str, Any]) -> bool:
    """Whether an earlier change has left the DaemonSet held, so that it restarts no pod by itself."""
    return strategy(daemonset) == "OnDelete" and ANNOTATION in (daemonset["metadata"].get("annotations") or {})


def own_strategy(daemonset: Mapping[str, Any]) -> dict[str, Any]:
    """The update strategy that a DaemonSet which is held had before. Raises InputError where nobody can tell."""
    metadata = daemonset["metadata"]
    try:
        own = msgspec.json.decode(metadata["annotations"][ANNOTATION], type=dict[str, Any])
    except msgspec.DecodeError:
        own = {}
    if own.get("type") != "RollingUpdate":
        raise InputError(
            f"DaemonSet {metadata.get('namespace', '')}/{metadata['name']}: the annotation {ANNOTATION} does not say "
            "which strategy to go back to; give it the spec.updateStrategy that you wish and remove the annotation"
        )
    return own


def hold_and_resume(daemonset: Mapping[str, Any], edited: bool) -> tuple[tuple[Patch, ...], tuple[Patch, ...]]:
    """What keeps a DaemonSet whose template is edited from restarting its pods, and the exact inverse.

    Nothing where it never restarts any; one that an earlier change has left held is only to be resumed.
    """
    metadata = daemonset["metadata"]
    place = ("DaemonSet", metadata.get("namespace", ""), metadata["name"])
    if is_held(daemonset):
        body = {"metadata": {"annotations": {ANNOTATION: None}}, "spec": {"updateStrategy": own_strategy(daemonset)}}
        return (), (Patch(*place, "merge", body),)
    if not edited and strategy(daemonset) != "OnDelete" and ANNOTATION in (metadata.get("annotations") or {}):
        # Somebody has let it go by hand: what we noted is of no use any more.
        return (), (Patch(*place, "merge", {"metadata": {"annotations": {ANNOTATION: None}}}),)
    if not edited or strategy(daemonset) == "OnDelete":
        return (), ()
    own = json.dumps(daemonset["spec"].get("updateStrategy") or DEFAULT, sort_keys=True)
    hold = {"metadata": {"annotations": {ANNOTATION: own}}, "spec": {"updateStrategy": HELD}}
    back = unmerge(daemonset, hold)
    back["metadata"]["annotations"][ANNOTATION] = None  # also where an old one was left
    return (Patch(*place, "merge", hold),), (Patch(*place, "merge", back),)


def restart(cluster: Cluster, policy: Policy, placement: Placement) -> Restart:
    """The rounds of the chosen speakers, while today's others still run; without routers one speaker at a time."""
    return Restart(careful_rounds(cluster, policy, placement.speakers, placement.sessions))


def restart_back(cluster: Cluster, policy: Policy, holding: Iterable[Session]) -> Restart:
    """The rounds of today's speakers on the way back, while these sessions are up besides today's."""
    return Restart(careful_rounds(cluster, policy, cluster.today.speakers, holding))


def short_meanwhile(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[str, ...]:
    """The routers that have no session to spare while their chosen speakers restart, sorted.

    One that gets another session before the restarts is short of none that it had.
    """
    if policy.mode != "bgp":
        return ()
    added, kept, today = added_sessions(cluster, placement.sessions), kept_by(cluster, policy), cluster.today.sessions
    return tuple(
        router
        for router in sorted({each.router for each in placement.sessions})
        if 0 < len(today.get(router, ())) <= kept[router] and not added.get(router)
    )


def careful_rounds(
    cluster: Cluster, policy: Policy, names: Iterable[str], new: Iterable[Session]
) -> tuple[tuple[str, ...], ...]:
    """Rounds in which a router loses at most a tenth of its sessions, today's and `new` together, none that it is to
    keep, and none that it would miss if a failure domain failed meanwhile; one at a time where it has none to spare.

    Routers with the same sessions are looked at as one, so as strictly as the strictest of them needs.
    """
    if policy.mode != "bgp":
        return one_by_one(names)
    added, kept, chosen = added_sessions(cluster, new), kept_by(cluster, policy), frozenset(names)
    groups, group_of = groups_of(cluster, chosen, added)
    levels, lost = levels_meanwhile(cluster, added), lost_with_a_domain(cluster, policy, added, group_of)
    at_once: dict[str, int] = {}
    for router, group in group_of.items():
        needed = max(kept[router], lost[router])
        most = max(1, min(levels[router] // 10, levels[router] - needed))
        at_once[group] = min(most, at_once.get(group, most))
    return rounds(chosen, groups, at_once)


def lost_with_a_domain(
    cluster: Cluster, policy: Policy, added: Mapping[str, tuple[str, ...]], group_of: Mapping[str, str]
) -> Counter[str]:
    """The sessions that each router needs so that, whichever protected domain fails, enough survive: the most that it
    has in one domain, its own left aside, and the survivors."""
    today = cluster.today.sessions
    needed: Counter[str] = Counter()
    if not policy.survive:
        return needed
    domains = {node.name: node.domains for node in cluster.nodes}
    own = {router.name: router.domains for router in cluster.routers}
    for rule in policy.survive:
        largest: dict[str, list[tuple[str | None, int]]] = {}
        for router, group in group_of.items():
            if group not in largest:
                held = (*today.get(group, ()), *added.get(group, ()))
                # Three, as one may be the router's own, and one of the nodes that are in none.
                largest[group] = Counter(domains[name].get(rule.kind) for name in held).most_common(3)
            mine = own.get(router, {}).get(rule.kind)
            others = [number for value, number in largest[group] if value is not None and value != mine]
            needed[router] = max(needed[router], others[0] + rule.survivors if others else 0)
    return needed


def groups_of(
    cluster: Cluster, names: frozenset[str], added: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The routers of each of the nodes, one for all that have the same sessions; and which one stands for a router."""
    today = cluster.today.sessions
    first_of: dict[tuple[tuple[str, ...] | None, tuple[str, ...]], str] = {}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    group_of: dict[str, str] = {}
    for router in {**today, **added}:
        nodes, more = today.get(router, ()), added.get(router, ())
        # Where all speakers hold a session, there is no need to go through them again.
        held = None if cluster.today.everywhere(router) else nodes
        group_of[router] = first_of.setdefault((held, more), router)
        if group_of[router] == router:
            for name in names.intersection((*nodes, *more)):
                groups[name].append(router)
    return dict(groups), group_of


def levels_meanwhile(cluster: Cluster, added: Mapping[str, tuple[str, ...]]) -> Counter[str]:
    """How many sessions each router has while today's and those that are added are up."""
    levels = Counter({router: len(nodes) for router, nodes in cluster.today.sessions.items()})
    levels.update({router: len(nodes) for router, nodes in added.items()})
    return levels


def added_sessions(cluster: Cluster, new: Iterable[Session]) -> dict[str, tuple[str, ...]]:
    """The nodes of the new sessions that each router does not have today, sorted."""
    today = cluster.today.sessions
    added: defaultdict[str, set[str]] = defaultdict(set)
    for each in new:
        if not holds(today.get(each.router, ()), each.node):
            added[each.router].add(each.node)
    return {router: tuple(sorted(nodes)) for router, nodes in added.items()}


def holds(nodes: tuple[str, ...], name: str) -> bool:
    """Whether a name is among sorted names."""
    index = bisect_left(nodes, name)
    return index < len(nodes) and nodes[index] == name


def kept_by(cluster: Cluster, policy: Policy) -> Counter[str]:
    """The sessions that each router is to keep."""
    return Counter({router.name: required(router, policy) for router in cluster.routers})


def required(router: Router, policy: Policy) -> int:
    """The sessions that a router is to keep."""
    return max(policy.speakers_per_router, router.min_speakers or 0)


def one_by_one(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """A round for each name."""
    return tuple((name,) for name in sorted(names))


def rounds(
    names: Iterable[str],
    routers: Mapping[str, Iterable[str]],
    at_once: Mapping[str, int] | None = None,
    most: int | None = None,
) -> tuple[tuple[str, ...], ...]:
    """The nodes in rounds in which every router meets at most one of them, or `at_once[router]`; greedy, in order.

    `most` bounds a round.

    >>> rounds(["a", "b", "c"], {"a": ["leaf-1"], "b": ["leaf-1", "leaf-2"], "c": ["leaf-2"]})
    (('a', 'c'), ('b',))
    >>> rounds(["a", "b", "c"], {}, most=2)
    (('a', 'b'), ('c',))
    """
    found: list[list[str]] = []
    met: list[Counter[str]] = []
    first = 0  # the first round that is not full
    full: Counter[str] = Counter()  # the rounds, from the first, that take no more of a router
    for name in sorted(names):
        mine = sorted(routers.get(name, ()))
        limits = [(at_once or {}).get(router, 1) for router in mine]
        index = max((full[router] for router in mine), default=first)
        index = max(index, first)
        while index < len(found) and (
            len(found[index]) == most
            or any(met[index][each] >= limit for each, limit in zip(mine, limits, strict=True))
        ):
            index += 1
        if index == len(found):
            found.append([])
            met.append(Counter())
        found[index].append(name)
        met[index].update(mine)
        while first < len(found) and len(found[first]) == most:
            first += 1
        for router, limit in zip(mine, limits, strict=True):
            while full[router] < len(met) and met[full[router]][router] >= limit:
                full[router] += 1
    return tuple(map(tuple, found))

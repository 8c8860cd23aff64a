"""Restarts of speakers in rounds, each of which leaves every router most of its sessions.

A DaemonSet that is updated by hand (OnDelete) stops, when its template changes, the pods on nodes that the template
no longer selects, and leaves all others as they are. So the strategy is changed for the time of the change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .manifests import Patch, Restart, unmerge
from .model import Cluster, Placement, Policy

HELD = {"type": "OnDelete", "rollingUpdate": None}


def strategy(daemonset: Mapping[str, Any]) -> str:
    """The type of the DaemonSet's update strategy."""
    return (daemonset["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate"


def hold_and_resume(daemonset: Mapping[str, Any]) -> tuple[tuple[Patch, ...], tuple[Patch, ...]]:
    """What keeps the DaemonSet from restarting its pods, and the exact inverse; nothing where it never does."""
    if strategy(daemonset) == "OnDelete":
        return (), ()
    metadata, hold = daemonset["metadata"], {"spec": {"updateStrategy": HELD}}
    place = ("DaemonSet", metadata.get("namespace", ""), metadata["name"])
    return (Patch(*place, "merge", hold),), (Patch(*place, "merge", unmerge(daemonset, hold)),)


def restart(policy: Policy, placement: Placement) -> Restart:
    """The rounds of the chosen speakers: no two of one router at once, without routers one speaker at a time."""
    routers: defaultdict[str, set[str]] = defaultdict(set)
    for session in placement.sessions:
        routers[session.node].add(session.router)
    return Restart(rounds(placement.speakers, routers) if policy.mode == "bgp" else one_by_one(placement.speakers))


def restart_back(cluster: Cluster, policy: Policy, touched: frozenset[str]) -> Restart:
    """The rounds on the way back, of those of today's speakers that may have the new template.

    These can be thousands, so a router with many sessions loses up to a tenth of them at once.
    """
    names = sorted(touched.intersection(cluster.today.speakers))
    routers: defaultdict[str, set[str]] = defaultdict(set)
    for router, nodes in cluster.today.sessions.items():
        for node in nodes:
            routers[node].add(router)
    at_once = {router: max(1, len(nodes) // 10) for router, nodes in cluster.today.sessions.items()}
    return Restart(rounds(names, routers, at_once) if policy.mode == "bgp" else one_by_one(names))


def one_by_one(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """A round for each name."""
    return tuple((name,) for name in sorted(names))


def rounds(
    names: Iterable[str], routers: Mapping[str, Iterable[str]], at_once: Mapping[str, int] | None = None
) -> tuple[tuple[str, ...], ...]:
    """The nodes in rounds in which every router meets at most one of them, or `at_once[router]`; greedy, in order.

    >>> rounds(["a", "b", "c"], {"a": ["leaf-1"], "b": ["leaf-1", "leaf-2"], "c": ["leaf-2"]})
    (('a', 'c'), ('b',))
    """
    found: list[list[str]] = []
    met: list[Counter[str]] = []
    full: Counter[str] = Counter()  # the rounds, from the first, that take no more of a router
    for name in sorted(names):
        mine = list(routers.get(name, ()))
        limits = [(at_once or {}).get(router, 1) for router in mine]
        index = max((full[router] for router in mine), default=0)
        while index < len(found) and any(met[index][each] >= most for each, most in zip(mine, limits, strict=True)):
            index += 1
        if index == len(found):
            found.append([])
            met.append(Counter())
        found[index].append(name)
        met[index].update(mine)
        for router, most in zip(mine, limits, strict=True):
            while full[router] < len(met) and met[full[router]][router] >= most:
                full[router] += 1
    return tuple(map(tuple, found))

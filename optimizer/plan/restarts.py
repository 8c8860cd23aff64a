"""Restarts of speakers in rounds, each of which leaves every router most of its sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ..kube.changes import Restart
from ..model import Cluster, Placement, Policy
from ..speakers import product_named
from .budget import Budget, Groups, groups_of


def restart(cluster: Cluster, policy: Policy, placement: Placement, budget: Budget) -> Restart:
    """The rounds of the chosen speakers, while today's others still run; without routers one speaker at a time."""
    if policy.mode != "bgp":
        return Restart(one_by_one(placement.speakers))
    return Restart(careful_rounds(cluster, policy, placement.speakers, budget, budget.added, budget.groups))


def restart_back(cluster: Cluster, policy: Policy, budget: Budget, gone: frozenset[str] = frozenset()) -> Restart:
    """The rounds of today's speakers on the way back, while the new sessions but for those of nodes `gone` are up."""
    names = cluster.today.speakers
    if policy.mode != "bgp":
        return Restart(one_by_one(names))
    added = {router: tuple(name for name in nodes if name not in gone) for router, nodes in budget.added.items()}
    added = {router: nodes for router, nodes in added.items() if nodes}
    return Restart(careful_rounds(cluster, policy, names, budget, added, groups_of(cluster, frozenset(names), added)))


def careful_rounds(
    cluster: Cluster,
    policy: Policy,
    names: Iterable[str],
    budget: Budget,
    added: Mapping[str, tuple[str, ...]],
    groups: Groups,
) -> tuple[tuple[str, ...], ...]:
    """Rounds in which a router loses at most a tenth of its sessions, today's and `added` together, but at least one;
    where it has one to spare, none that it is to keep or would miss if a failure domain failed meanwhile.

    A group of routers is as strict as the strictest of them needs. Of the speakers of a rack that nobody else announces
    a tenth are away together, but at least one.
    """
    lost = lost_with_a_domain(cluster, policy, added, groups.of_router)
    at_once: dict[str, int] = {}
    for router, group in groups.of_router.items():
        level = budget.up.get(router, 0) + len(added.get(router, ()))
        needed = max(budget.kept.get(router, 0), lost[router])
        most = max(1, min(level // 10, level - needed))
        at_once[group] = min(most, at_once.get(group, most))
    racks = product_named(cluster.product).announced_with(cluster)
    if not racks:
        return rounds(names, groups.of_node, at_once)
    rack_of = {name: f"rack {racks[name]}" for name in names}
    at_once |= {rack: max(1, size // 10) for rack, size in Counter(rack_of.values()).items()}
    return rounds(names, {name: [*groups.of_node.get(name, ()), rack] for name, rack in rack_of.items()}, at_once)


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

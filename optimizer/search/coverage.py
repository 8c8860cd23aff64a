"""Which racks are announced by speakers of their own alone, what they keep at each router, and what cannot be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..findings import Finding
from ..model import Cluster, Policy
from ..speakers import product_named
from ..words import plural
from .problem import NodeClass, Problem


def announced_racks(cluster: Cluster, policy: Policy) -> Mapping[str, str]:
    """For every node the rack with which it is announced; empty where every speaker announces every node, or nobody
    asks for coverage."""
    if policy.mode != "bgp" or policy.coverage is False:
        return {}
    return product_named(cluster.product).announced_with(cluster)


def covered_racks(
    cluster: Cluster, policy: Policy, classes: Sequence[NodeClass]
) -> dict[str, tuple[tuple[str, int], ...]]:
    """For every router its racks, sorted, with the sessions that each keeps: as many as every router does, or as it has
    candidates attached to it."""
    if not announced_racks(cluster, policy):
        return {}
    around: dict[str, Counter[str]] = {}
    for each in classes:
        for router in each.traits.routers:
            around.setdefault(router, Counter())[each.traits.rack] += len(each.names)
    most = policy.speakers_per_router
    return {
        router: tuple((rack, min(number, most)) for rack, number in sorted(numbers.items()))
        for router, numbers in around.items()
    }


def warnings(cluster: Cluster, problem: Problem) -> list[Finding]:
    """Findings about racks that have no candidate at a router that others have some at, and about coverage that is
    asked for where there is nothing to cover. Nodes in no rack are a finding of the product's."""
    policy = problem.policy
    racks = announced_racks(cluster, policy)
    if not racks and policy.coverage and policy.mode == "bgp":
        title = product_named(cluster.product).title
        told = (
            f"coverage is asked for, but {title}'s speakers announce every node here, not only those of their own rack"
        )
        return [Finding("coverage-without-racks", told)]
    known: dict[tuple[str, ...], set[str]] = {}
    missing: list[tuple[str, str]] = []
    for router in (router for part in problem.components for router in part.routers if router.racks):
        attached = cluster.attachments[router.name]
        if attached not in known:
            known[attached] = {*map(racks.__getitem__, attached)} - {""}
        missing += [(rack, router.name) for rack in known[attached].difference(rack for rack, _ in router.racks)]
    if not missing:
        return []
    rack, name = min(missing)
    number = len({rack for rack, _ in missing})
    told = (
        f"rack {rack} has no eligible node at router {name}: no speaker announces its nodes there"
        if len(missing) == 1
        else f"{plural(number, 'rack')} without an eligible node at a router that nodes of theirs are attached to, "
        f"such as rack {rack} at router {name}: no speaker announces these nodes there"
    )
    return [Finding("rack-not-covered", told)]

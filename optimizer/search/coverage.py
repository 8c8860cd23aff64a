"""Which racks are announced by speakers of their own alone, what they keep at each router, and what cannot be kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from ..findings import Finding
from ..model import Cluster, Policy, Session
from ..speakers import product_named
from ..words import listed, plural, rack_named
from .problem import NodeClass, Problem

SHOWN = 3
"""Racks or nodes that a finding lists."""


def announced_racks(cluster: Cluster, policy: Policy) -> Mapping[str, str]:
    """For every node the rack with which it is announced; empty where every speaker announces every node, or nobody
    asks for coverage."""
    if policy.mode != "bgp" or policy.coverage is False:
        return {}
    return product_named(cluster.product).announced_with(cluster)


def candidates_by_rack(classes: Iterable[NodeClass]) -> dict[str, Counter[str]]:
    """For every router its candidates, counted by rack."""
    around: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in classes:
        for router in each.traits.routers:
            around[router][each.traits.rack] += len(each.names)
    return around


def covered_racks(
    cluster: Cluster, policy: Policy, classes: Iterable[NodeClass]
) -> dict[str, tuple[tuple[str, int], ...]]:
    """For every router its racks, sorted, with the sessions that each keeps: as many as every router does, or as it has
    candidates attached to it."""
    if not announced_racks(cluster, policy):
        return {}
    most = policy.speakers_per_router
    return {
        router: tuple((rack, min(number, most)) for rack, number in sorted(numbers.items()))
        for router, numbers in candidates_by_rack(classes).items()
    }


def warnings(cluster: Cluster, problem: Problem) -> Iterator[Finding]:
    """Findings about racks that have no candidate at a router that others have some at, or only one, and about coverage
    that is asked for where there is nothing to cover. Nodes in no rack are a finding of the product's."""
    policy = problem.policy
    racks = announced_racks(cluster, policy)
    if racks:
        yield from not_covered(cluster, problem, racks)
        yield from on_one_node(problem)
    elif policy.coverage and policy.mode == "bgp":
        title = product_named(cluster.product).title
        told = (
            f"coverage is asked for, but {title}'s speakers announce every node here, not only those of their own rack"
        )
        yield Finding("coverage-without-racks", told)


def not_covered(cluster: Cluster, problem: Problem, racks: Mapping[str, str]) -> Iterator[Finding]:
    """A finding about racks without a candidate at a router, with nodes that could be made one."""
    near = racks_attached(cluster, racks)
    missing = [
        (rack, router.name)
        for part in problem.components
        for router in part.routers
        if router.racks
        for rack in near[cluster.attachments[router.name]].difference(rack for rack, _ in router.racks)
        if rack
    ]
    if missing:
        rack, name = min(missing)
        nodes = [node for node in cluster.attachments[name] if racks[node] == rack]
        some = listed([f"{node}: {problem.causes[node][0]}" for node in nodes], SHOWN)
        # Under best effort those that can stay are candidates.
        staying = "" if problem.policy.best_effort else ", or keep a speaker that runs there with --best-effort"
        told = (
            f"{some_racks(missing, 'no eligible node', some)}: no speaker announces its nodes there; make one of them "
            f"eligible{staying}"
        )
        yield Finding("rack-not-covered", told)


def on_one_node(problem: Problem) -> Iterator[Finding]:
    """A finding about racks with one candidate at a router, unless the whole router hangs on that one."""
    alone: list[tuple[str, str]] = []
    for part in problem.components:
        around = candidates_by_rack(part.classes)
        for router in (router for router in part.routers if router.racks):
            numbers = around[router.name]
            if numbers.total() > 1:
                alone += [(rack, router.name) for rack, number in numbers.items() if number == 1 and rack]
    if alone:
        rack, name = min(alone)
        classes = (each for part in problem.components for each in part.classes)
        node = next(each.names[0] for each in classes if each.traits.rack == rack and name in each.traits.routers)
        told = f"{some_racks(alone, 'only one node for a speaker', node)}: without it nothing announces its nodes there"
        yield Finding("rack-on-one-node", told)


def some_racks(cases: Collection[tuple[str, str]], what: str, details: str) -> str:
    """What racks have at routers, given as (rack, router), with the first as an example.

    >>> some_racks([("r1", "tor")], "no eligible node", "n1: cordoned")
    'rack r1 has no eligible node at router tor (n1: cordoned)'
    >>> some_racks([("r1", "tor"), ("r2", "tor")], "no eligible node", "n1: cordoned")
    '2 racks have no eligible node at a router of theirs, such as rack r1 at router tor (n1: cordoned)'
    """
    rack, name = min(cases)
    if len(cases) == 1:
        return f"rack {rack} has {what} at router {name} ({details})"
    number = len({rack for rack, _ in cases})
    have = "has" if number == 1 else "have"
    example = f"rack {rack} at router {name} ({details})"
    return f"{plural(number, 'rack')} {have} {what} at a router of theirs, such as {example}"


def hazards(cluster: Cluster, problem: Problem, sessions: Iterable[Session]) -> Iterator[Finding]:
    """A finding about racks that a placement leaves without any session at a router that asks for some: those that
    coverage speaks of, or where nobody asks for it all whose nodes are attached.

    Speakers on nodes in no rack announce every node, so that beside such a session no rack is left out.
    """
    racks = product_named(cluster.product).announced_with(cluster) if problem.policy.mode == "bgp" else {}
    if not racks:
        return
    held: defaultdict[str, set[str]] = defaultdict(set)
    for session in sessions:
        held[session.router].add(racks[session.node])
    near = {} if problem.policy.coverage is not False else racks_attached(cluster, racks)
    lost: dict[str, list[str]] = {}
    for router in (router for part in problem.components for router in part.routers if router.needed):
        have = held[router.name]
        known = near[cluster.attachments[router.name]] if near else {rack for rack, _ in router.racks}
        if without := sorted(rack for rack in known - have if not rack or "" not in have):
            lost[router.name] = without
    if not lost:
        return
    name, here = min(lost.items())
    more = f", nor some racks at {plural(len(lost) - 1, 'more router')}" if len(lost) > 1 else ""
    told = (
        f"no speaker announces {listed([rack_named(rack) for rack in here], SHOWN)} at router {name}{more}: these "
        "nodes are next hops of nobody there"
    )
    if near:
        told += "; without coverage: false in the policy, racks would keep sessions of their own"
    yield Finding("rack-without-session", told, f"router {name}" if len(lost) == 1 else "")


def racks_attached(cluster: Cluster, racks: Mapping[str, str]) -> dict[tuple[str, ...], set[str]]:
    """The racks of the nodes that are attached to a router, by the names of these nodes: many routers share them."""
    return {names: {*map(racks.__getitem__, names)} for names in set(cluster.attachments.values())}

"""The part of a cluster that one question is about, so that asking it does not take a reduction of the whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice

from msgspec import structs

from ..model import Cluster, Node
from .problem import Problem


def parts_concerned(cluster: Cluster, problem: Problem) -> Callable[[Collection[str]], Cluster]:
    """A function that gives the part of a cluster that matters where some nodes are granted.

    Its reduction has the components that these nodes are in as the reduction of the whole has them. Exact: the granted
    nodes join the components that their routers are in, nothing else does; so the candidates and routers of these are
    all there is, and of the other nodes only the domains are looked at, to see whether there is one elsewhere.
    """
    if problem.policy.mode != "bgp":
        return lambda granted: cluster
    nodes = {node.name: node for node in cluster.nodes}
    routers = {router.name: router for router in cluster.routers}
    component_of = {router.name: number for number, part in enumerate(problem.components) for router in part.routers}
    routers_of = routers_by_node(cluster)
    known = domains_by_kind(cluster, [rule.kind for rule in problem.policy.survive])

    def part_concerned(granted: Collection[str]) -> Cluster:
        numbers = sorted({component_of[router] for name in granted for router in routers_of.get(name, ())})
        parts = [problem.components[number] for number in numbers]
        names = {name for part in parts for each in part.classes for name in each.names} | set(granted)
        inside = sorted(router.name for part in parts for router in part.routers)
        every = {name: nodes[name] for name in names}
        here, kept = list(every.values()), [routers[name] for name in inside]
        for kind, values in known.items():
            own = {router.domains.get(kind) for router in kept}
            for node in elsewhere(values, {node.domains.get(kind) for node in here}, own):
                every[node.name] = node
        return structs.replace(
            cluster,
            nodes=tuple(every[name] for name in sorted(every)),
            routers=tuple(kept),
            attachments={name: tuple(node for node in cluster.attachments[name] if node in names) for name in inside},
        )

    return part_concerned


def routers_by_node(cluster: Cluster) -> dict[str, list[str]]:
    """The routers that each node is attached to."""
    found: dict[str, list[str]] = {}
    for router, attached in cluster.attachments.items():
        for name in attached:
            found.setdefault(name, []).append(router)
    return found


def domains_by_kind(cluster: Cluster, kinds: Iterable[str]) -> dict[str, dict[str, Node]]:
    """For each kind its domains, each with the first node in it."""
    found: dict[str, dict[str, Node]] = {kind: {} for kind in kinds}
    for node in cluster.nodes:
        for kind, values in found.items():
            if kind in node.domains:
                values.setdefault(node.domains[kind], node)
    return found


def elsewhere(values: Mapping[str, Node], here: Collection[str | None], own: Collection[str | None]) -> Iterator[Node]:
    """Nodes that stand for the domains of a kind outside the part: one in each that a router is in, as it is no
    danger to that router but to the others, and one in any other."""
    for value in sorted(value for value in own if value is not None and value in values and value not in here):
        yield values[value]
    yield from islice((node for value, node in values.items() if value not in here and value not in own), 1)

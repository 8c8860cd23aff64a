"""The topology as a graph, and what its shape shows: components, unreachable routers, cut points.

The graph is built over routers and sets of routers that nodes share, never over nodes, so it stays small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ..findings import Finding
from ..model import Node

NONE = "none of its nodes is eligible; minSpeakers: 0 in the topology file leaves it out"


class EquallyAttached(Struct, frozen=True):
    """All the nodes that are attached to just these routers; at least one of each."""

    routers: tuple[str, ...]
    nodes: Sequence[Node]


def components(groups: Sequence[tuple[str, ...]], routers: Iterable[str]) -> list[tuple[list[int], list[str]]]:
    """The connected components of groups (each given by its routers) and routers, as (group numbers, router names).

    Sorted by first router name.

    >>> components([("a",), ("b",), ("a", "c")], ["a", "b", "c", "d"])
    [([0, 2], ['a', 'c']), ([1], ['b']), ([], ['d'])]
    """
    names = list(routers)
    if all(len(attached) == 1 for attached in groups):
        numbers: dict[str, list[int]] = {name: [] for name in sorted(names)}
        for number, (router,) in enumerate(groups):
            numbers[router].append(number)
        return [(found, [name]) for name, found in numbers.items()]
    # It takes a fifth of a second, for nothing where no group links two routers.
    import networkx as nx

    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(names)
    for number, attached in enumerate(groups):
        graph.add_edges_from((number, router) for router in attached)
    parts = []
    for part in nx.connected_components(graph):
        inside = sorted(vertex for vertex in part if isinstance(vertex, int))
        parts.append((inside, sorted(vertex for vertex in part if isinstance(vertex, str))))
    return sorted(parts, key=lambda part: part[1])


def warnings(
    groups: Sequence[EquallyAttached], own_domains: Mapping[str, Mapping[str, str]], kinds: Iterable[str]
) -> list[Finding]:
    """Findings about routers that no candidate reaches, or that hang on one node or on one failure domain.

    `own_domains` maps every router that asks for sessions to its own domains: a router inside a domain falls with it
    anyway.
    """
    reached = {router for group in groups for router in group.routers}
    unreachable = [("router", router) for router in sorted(own_domains) if router not in reached]
    found = finding("router-unreachable", unreachable, f"can hold no session: {NONE}", "")
    alone = [(node, router) for node, router in hanging_on_one_node(groups) if router in own_domains]
    found += finding("router-on-one-node", alone, "hangs on one node", "")
    for kind in sorted(kinds):
        lonely = []
        for domain, router in hanging_on_domain(groups, kind):
            if router in own_domains and own_domains[router].get(kind) != domain:
                lonely.append((domain, router))
        found += finding("router-on-one-domain", lonely, f"hangs on one {kind}", kind)
    return found


def finding(rule: str, cases: Sequence[tuple[str, str]], what: str, kind: str) -> list[Finding]:
    """One finding for all (cause, router) cases, with the first as an example; none for no case."""
    if not cases:
        return []
    cause, router = cases[0]
    reason = f" ({kind} {cause})" if kind else "" if cause == "router" else f" ({cause})"
    if len(cases) == 1:
        return [Finding(rule, f"router {router} {what}{reason}", f"router {router}")]
    return [Finding(rule, f"{len(cases)} routers, such as {router}{reason}: each {what}")]


def hanging_on_one_node(groups: Sequence[EquallyAttached]) -> list[tuple[str, str]]:
    """(node, router) where the only way from the cluster to the router is one node.

    The cut points of the graph cluster - nodes - routers, counted: all nodes are next to the cluster, so a node cuts
    off a router only where it is the router's only neighbour.
    """
    number: Counter[str] = Counter()
    for group in groups:
        for router in group.routers:
            number[router] += len(group.nodes)
    return sorted((group.nodes[0].name, router) for group in groups for router in group.routers if number[router] == 1)


def hanging_on_domain(groups: Sequence[EquallyAttached], kind: str) -> list[tuple[str, str]]:
    """(value, router) where all ways from the cluster to the router lead through one domain of the kind.

    The cut points of the graph cluster - domains - nodes - routers, counted likewise: a domain cuts off a router only
    where all nodes of the router are in it. A node in no known domain is a way around all of them.
    """
    domains: dict[str, set[str | None]] = {}
    for group in groups:
        value = common(group.nodes, kind)
        for router in group.routers:
            domains.setdefault(router, set()).add(value)
    return sorted(
        (
            (value, router)
            for router, values in domains.items()
            if len(values) == 1
            for value in values
            if value is not None
        ),
        key=lambda case: case[1],
    )


def common(nodes: Sequence[Node], kind: str) -> str | None:
    """The domain of the kind that all the nodes are in, None where there is no such one."""
    value = nodes[0].domains.get(kind)
    return value if all(node.domains.get(kind) == value for node in nodes) else None

"""The topology as a graph, and what its shape tells: components, cut points, unreachable routers.

Vertices are tuples: ("router", name), ("domain", kind, value), ("class", number), and ("cluster",) as the root.
The graphs are built over classes of equal nodes, never over single nodes, so they stay small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import networkx as nx
from msgspec import Struct

CLUSTER = ("cluster",)


class Group(Struct, frozen=True):
    """Equal nodes as the graph sees them: the routers they are attached to, their domains, and how many they are."""

    routers: tuple[str, ...]
    domains: Mapping[str, str]
    size: int
    example: str


def components(groups: Sequence[tuple[str, ...]], routers: Iterable[str]) -> list[tuple[list[int], list[str]]]:
    """The connected components of groups (each given by its routers) and routers, as (group numbers, router names).

    Exact: no rule and no goal but the budget of moves links what is not connected. Sorted by first router name.

    >>> components([("a",), ("b",), ("a", "c")], ["a", "b", "c", "d"])
    [([0, 2], ['a', 'c']), ([1], ['b']), ([], ['d'])]
    """
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(routers)
    for number, attached in enumerate(groups):
        graph.add_edges_from((number, router) for router in attached)
    found = []
    for part in nx.connected_components(graph):
        numbers = sorted(vertex for vertex in part if isinstance(vertex, int))
        found.append((numbers, sorted(vertex for vertex in part if isinstance(vertex, str))))
    return sorted(found, key=lambda part: part[1])


def warnings(groups: Sequence[Group], own_domains: Mapping[str, Mapping[str, str]], kinds: Iterable[str]) -> list[str]:
    """Sentences about routers that no candidate reaches, or that hang on one node or on one failure domain.

    `own_domains` maps every router to its own domains: a router inside a domain falls with it anyway.
    """
    reached = {router for group in groups for router in group.routers}
    unreachable = [("router", router) for router in sorted(own_domains) if router not in reached]
    found = told(unreachable, "can hold no session: none of its nodes is eligible", "")
    found += told(hanging_on_one_node(groups), "hangs on one node", "")
    for kind in sorted(kinds):
        lonely = []
        for domain, router in hanging_on_domain(groups, kind):
            if own_domains[router].get(kind) != domain:
                lonely.append((domain, router))
        found += told(lonely, f"hangs on one {kind}", kind)
    return found


def told(cases: Sequence[tuple[str, str]], what: str, kind: str) -> list[str]:
    """One sentence for all (cause, router) cases, with the first as an example; none for no case."""
    if not cases:
        return []
    cause, router = cases[0]
    reason = f" ({kind} {cause})" if kind else "" if cause == "router" else f" ({cause})"
    if len(cases) == 1:
        return [f"router {router} {what}{reason}"]
    return [f"{len(cases)} routers, such as {router}{reason}: each {what}"]


def hanging_on_one_node(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """(node, router) where the only way from the cluster to the router is one node: that node is a cut point."""
    graph: nx.Graph = nx.Graph()
    for number, group in enumerate(groups):
        # A class of several nodes is no cut point: two parallel vertices stand for it.
        for twin in range(min(group.size, 2)):
            graph.add_edge(CLUSTER, ("class", number, twin))
            graph.add_edges_from((("class", number, twin), ("router", router)) for router in group.routers)
    cuts = cut_points(graph)
    return sorted(
        (group.example, router)
        for number, group in enumerate(groups)
        if ("class", number, 0) in cuts
        for router in group.routers
        if graph.degree(("router", router)) == 1
    )


def hanging_on_domain(groups: Sequence[Group], kind: str) -> list[tuple[str, str]]:
    """(value, router) where all ways from the cluster to the router lead through one domain of the kind."""
    graph: nx.Graph = nx.Graph()
    for number, group in enumerate(groups):
        value = group.domains.get(kind)
        via = ("domain", kind, value) if value is not None else ("class", number)
        graph.add_edge(CLUSTER, via)
        graph.add_edges_from((via, ("router", router)) for router in group.routers)
    cuts = cut_points(graph)
    found = {
        (group.domains[kind], router)
        for group in groups
        if ("domain", kind, group.domains.get(kind)) in cuts
        for router in group.routers
        if graph.degree(("router", router)) == 1
    }
    return sorted(found, key=lambda case: (case[1], case[0]))


def cut_points(graph: nx.Graph) -> set[tuple[object, ...]]:
    """The articulation points of the graph."""
    return set(nx.articulation_points(graph))

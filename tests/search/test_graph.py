"""The topology graph: components, cut points, unreachable routers."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model import Node
from optimizer.search.graph import NONE, EquallyAttached, components, hanging_on_domain, hanging_on_one_node, warnings


def sentences(groups: list[EquallyAttached], own: dict[str, dict[str, str]], kinds: list[str]) -> list[str]:
    return [str(each) for each in warnings(groups, own, kinds)]


def group(routers: str, *nodes: str, **domains: str) -> EquallyAttached:
    return EquallyAttached(tuple(routers.split()), [Node(name, domains=domains) for name in nodes or ("n1", "n2")])


def test_routers_joined_by_a_shared_node_are_one_component() -> None:
    assert components([("a", "b"), ("c",), ("b",)], ["a", "b", "c"]) == [([0, 2], ["a", "b"]), ([1], ["c"])]


def test_a_router_without_nodes_is_a_component_of_its_own() -> None:
    assert components([("a",)], ["a", "lonely"]) == [([0], ["a"]), ([], ["lonely"])]


def test_one_node_is_a_cut_point_but_two_equal_nodes_are_not() -> None:
    assert hanging_on_one_node([group("a", "only")]) == [("only", "a")]
    assert hanging_on_one_node([group("a")]) == []


def test_a_second_class_is_a_second_way_to_the_router() -> None:
    assert hanging_on_one_node([group("a", "n"), group("a b", "m")]) == [("m", "b")]


def test_a_router_behind_one_zone_hangs_on_it() -> None:
    groups = [group("rs", zone="z1"), group("rs leaf", zone="z1")]
    assert hanging_on_domain(groups, "zone") == [("z1", "leaf"), ("z1", "rs")]


def test_a_node_without_a_zone_is_a_way_around_it() -> None:
    assert hanging_on_domain([group("rs", zone="z1"), group("rs")], "zone") == []


def test_a_router_inside_the_domain_is_not_warned_about() -> None:
    groups = [group("leaf", rack="r1")]
    assert warnings(groups, {"leaf": {"rack": "r1"}}, ["rack"]) == []
    assert sentences(groups, {"leaf": {}}, ["rack"]) == ["router leaf hangs on one rack (rack r1)"]


def test_an_unreachable_router_is_told() -> None:
    found = sentences([group("a")], {"a": {}, "b": {}}, [])
    assert found == [f"router b can hold no session: {NONE}"]


def test_many_cases_are_told_in_one_sentence_with_an_example() -> None:
    groups = [group("a", "n1"), group("b", "n2")]
    assert sentences(groups, {"a": {}, "b": {}}, []) == ["2 routers, such as a (n1): each hangs on one node"]


@given(
    st.lists(st.tuples(st.sets(st.sampled_from("abcd"), min_size=1), st.sampled_from(["z1", "z2", None])), max_size=7)
)
def test_what_a_router_hangs_on_are_the_cut_points_of_the_graph(nodes: list[tuple[set[str], str | None]]) -> None:
    groups: dict[tuple[str, ...], list[Node]] = {}
    by_node: nx.Graph = nx.Graph()
    by_zone: nx.Graph = nx.Graph()
    for number, (routers, zone) in enumerate(nodes):
        node = Node(f"n{number}", domains={"zone": zone} if zone else {})
        groups.setdefault(tuple(sorted(routers)), []).append(node)
        way = ("zone", zone) if zone else ("node", node.name)
        by_node.add_edges_from([("cluster", ("node", node.name)), *((("node", node.name), to) for to in routers)])
        by_zone.add_edges_from([("cluster", way), *((way, to) for to in routers)])
    found = [EquallyAttached(routers, members) for routers, members in groups.items()]
    assert {("node", name, to) for name, to in hanging_on_one_node(found)} == cut_off(by_node, "node")
    assert {("zone", zone, to) for zone, to in hanging_on_domain(found, "zone")} == cut_off(by_zone, "zone")


def cut_off(graph: nx.Graph, kind: str) -> set[tuple[str, str, str]]:
    """(kind, name, router) where the router is parted from the cluster without the cut point (kind, name)."""
    cut = set()
    for point in nx.articulation_points(graph):
        rest = graph.copy()
        rest.remove_node(point)
        if point[0] == kind:
            reached = nx.node_connected_component(rest, "cluster")
            cut |= {(*point, to) for to in set("abcd") & set(rest) - reached}
    return cut

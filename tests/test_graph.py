"""The topology graph: components, cut points, unreachable routers."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.graph import Group, components, hanging_on_domain, hanging_on_one_node, warnings


def group(routers: str, size: int = 2, domains: Mapping[str, str] | None = None, example: str = "n") -> Group:
    return Group(tuple(routers.split()), domains or {}, size, example)


def test_routers_joined_by_a_shared_node_are_one_component() -> None:
    assert components([("a", "b"), ("c",), ("b",)], ["a", "b", "c"]) == [([0, 2], ["a", "b"]), ([1], ["c"])]


def test_a_router_without_nodes_is_a_component_of_its_own() -> None:
    assert components([("a",)], ["a", "lonely"]) == [([0], ["a"]), ([], ["lonely"])]


def test_one_node_is_a_cut_point_but_two_equal_nodes_are_not() -> None:
    assert hanging_on_one_node([group("a", size=1, example="only")]) == [("only", "a")]
    assert hanging_on_one_node([group("a", size=2)]) == []


def test_a_second_class_is_a_second_way_to_the_router() -> None:
    assert hanging_on_one_node([group("a", size=1), group("a b", size=1, example="m")]) == [("m", "b")]


def test_a_router_behind_one_zone_hangs_on_it() -> None:
    groups = [group("rs", domains={"zone": "z1"}), group("rs leaf", domains={"zone": "z1"})]
    assert hanging_on_domain(groups, "zone") == [("z1", "leaf"), ("z1", "rs")]


def test_a_node_without_a_zone_is_a_way_around_it() -> None:
    assert hanging_on_domain([group("rs", domains={"zone": "z1"}), group("rs")], "zone") == []


def test_a_router_inside_the_domain_is_not_warned_about() -> None:
    groups = [group("leaf", domains={"rack": "r1"})]
    assert warnings(groups, {"leaf": {"rack": "r1"}}, ["rack"]) == []
    assert warnings(groups, {"leaf": {}}, ["rack"]) == ["router leaf hangs on one rack (rack r1)"]


def test_an_unreachable_router_is_told() -> None:
    found = warnings([group("a")], {"a": {}, "b": {}}, [])
    assert found == ["router b can hold no session: none of its nodes is eligible"]


def test_many_cases_are_told_in_one_sentence_with_an_example() -> None:
    groups = [group("a", size=1, example="n1"), group("b", size=1, example="n2")]
    assert warnings(groups, {"a": {}, "b": {}}, []) == ["2 routers, such as a (n1): each hangs on one node"]

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from optimizer.model import Cluster, Router
from optimizer.speakers.openelb.peerings import duplicates, peerings
from tests.objects import peer

RUNNING = {"a": {"rack": "r1"}, "b": {"rack": "r2"}, "c": dict[str, str]()}
CLUSTER = Cluster((), (Router("leaf-1", "10.0.0.1"), Router("leaf-2", peer="two")))


def given(*peers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted(peerings(CLUSTER, RUNNING, peers))


@pytest.mark.parametrize(
    ("selector", "nodes"),
    [
        (None, "abc"),
        ({}, "abc"),
        ({"matchLabels": {"rack": "r1"}}, "a"),
        ({"matchLabels": {"rack": "r9"}}, ""),
        ({"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1", "r2"]}]}, "ab"),
        ({"matchExpressions": [{"key": "rack", "operator": "DoesNotExist"}]}, "c"),
    ],
)
def test_a_speaker_peers_where_the_selector_matches_its_node(selector: dict[str, Any] | None, nodes: str) -> None:
    assert given(peer("x", "10.0.0.1", selector)) == [(name, "leaf-1") for name in nodes]


def test_a_router_is_known_by_its_address_else_by_the_name_of_its_peer() -> None:
    only_a = {"matchLabels": {"rack": "r1"}}
    assert given(peer("two", "10.0.0.2", only_a), peer("x", "10.0.0.9", only_a)) == [("a", "10.0.0.9"), ("a", "leaf-2")]


def test_a_parked_peer_gives_no_session() -> None:
    assert given(peer("x", "192.0.2.1")) == []


def down(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["spec"]["conf"]["adminDown"] = True
    return manifest


def test_a_peer_that_is_administratively_down_gives_no_session() -> None:
    assert given(down(peer("x", "10.0.0.1"))) == []


def test_a_peer_without_an_address_gives_no_session() -> None:
    assert given(peer("x", "10.0.0.1/24"), peer("y", ""), {"metadata": {"name": "z"}, "spec": {}}) == []


def test_an_address_is_known_in_any_notation() -> None:
    only_a = {"matchLabels": {"rack": "r1"}}
    assert given(peer("x", "::ffff:10.0.0.1", only_a)) == given(peer("x", "10.0.0.1", only_a)) == [("a", "leaf-1")]


def test_a_selector_that_kubernetes_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="Near"):
        given(peer("x", "10.0.0.1", {"matchExpressions": [{"key": "rack", "operator": "Near"}]}))


def test_duplicates_are_found_by_address_however_written() -> None:
    peers = [peer("one", "fd00::1"), peer("two", "FD00:0::1"), peer("three", "10.0.0.1"), peer("odd", "x")]
    assert [*duplicates(peers)] == ["address fd00::1: two"]
    assert [*duplicates([*peers, peer("four", "::ffff:10.0.0.1")])][1:] == ["address 10.0.0.1: four"]


def test_peers_that_are_all_down_are_no_duplicates() -> None:
    first, second = down(peer("one", "10.0.0.1")), down(peer("two", "10.0.0.1"))
    assert [*duplicates([first, second])] == []
    assert [*duplicates([first, second, peer("three", "10.0.0.1")])] == [
        "address 10.0.0.1: two",
        "address 10.0.0.1: three",
    ]

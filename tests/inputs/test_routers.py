"""Cluster and topology together: routers, attachments, failure domains and today's sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.inputs.node_index import NodeIndex
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology
from optimizer.kube.selectors import selects
from optimizer.model import Cluster, LabelSelector, Node, Policy, Requirement, Survive
from tests.objects import Object, daemonset, node, peer, read, speaker_pod

RACK = "openelb.kubesphere.io/rack"
NODES = (
    node("n1", {RACK: "r1", "zone": "a"}, addresses=["10.0.1.1", "fd00:1::1"]),
    node("n2", {RACK: "r1", "zone": "b"}, addresses=["10.0.1.255"]),
    node("n3", {RACK: "r2", "zone": "a"}, addresses=["10.0.2.1", "fd00:2::1"]),
    node("n4", {"zone": "b"}, addresses=["n4.example.com"]),
)


def joined(folder: Path, topology: Object | None = None, *objects: Object, survive: tuple[str, ...] = ()) -> Cluster:
    parsed = parse_topology(topology or {}, "t.yaml")
    return with_topology(read(folder, *NODES, *objects), parsed, Policy(survive=tuple(map(Survive, survive))))


def refused(folder: Path, topology: Object, *objects: Object, survive: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        joined(folder, topology, *objects, survive=survive)
    return str(caught.value)


def attached(folder: Path, nodes: Object, *objects: Object) -> tuple[str, ...]:
    """The nodes attached to the one router that the topology gives."""
    return joined(folder, {"routers": [{"name": "leaf", "nodes": nodes}]}, *objects).attachments["leaf"]


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ({"selector": {"matchLabels": {RACK: "r1"}}}, ["n1", "n2"]),
        ({"selector": {"matchLabels": {RACK: "r1", "zone": "a"}}}, ["n1"]),
        ({"selector": {"matchExpressions": [{"key": RACK, "operator": "DoesNotExist"}]}}, ["n4"]),
        ({"selector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b", "a"]}]}}, None),
        ({"selector": {}}, None),
        ({"names": ["n3", "n1", "n3"]}, ["n1", "n3"]),
        ({"cidrs": ["10.0.1.0/24"]}, ["n1", "n2"]),
        ({"cidrs": ["10.0.1.1/32", "fd00:2::/64"]}, ["n1", "n3"]),
        ({"cidrs": ["10.0.1.1", "0.0.0.0/32"]}, ["n1"]),
        ({"cidrs": ["::/0"]}, ["n1", "n3"]),
        ({"cidrs": ["0.0.0.0/0"]}, ["n1", "n2", "n3"]),
        ({"cidrs": ["10.0.3.0/24"]}, []),
        ({"selector": {"matchLabels": {RACK: "r2"}}, "names": ["n4"], "cidrs": ["10.0.1.1"]}, ["n1", "n3", "n4"]),
    ],
)
def test_nodes_are_attached_by_selector_name_and_address_range(
    tmp_path: Path, nodes: Object, names: list[str] | None
) -> None:
    assert attached(tmp_path, nodes) == tuple(names if names is not None else ["n1", "n2", "n3", "n4"])


def test_attachments_by_pair_add_routers_and_nodes(tmp_path: Path) -> None:
    pairs = [["n4", "leaf"], ["n2", "new"], ["n1", "leaf"], ["n1", "leaf"]]
    cluster = joined(tmp_path, {"routers": [{"name": "leaf", "nodes": {"names": ["n3"]}}], "attachments": pairs})
    assert cluster.attachments == {"leaf": ("n1", "n3", "n4"), "new": ("n2",)}
    assert [each.name for each in cluster.routers] == ["leaf", "new"]


def test_named_nodes_that_are_not_in_the_input_are_told(tmp_path: Path) -> None:
    given = {"routers": [{"name": "leaf", "nodes": {"names": ["n9", "n1"]}}], "attachments": [["n8", "leaf"]]}
    cluster = joined(tmp_path, given)
    assert cluster.attachments == {"leaf": ("n1",)}
    assert "the topology names 2 nodes that are not in the input, such as n8" in [
        str(each) for each in cluster.warnings
    ]


def test_a_router_without_any_nodes_given_is_told(tmp_path: Path) -> None:
    cluster = joined(tmp_path, {"routers": [{"name": "leaf"}]})
    assert cluster.attachments == {"leaf": ()}
    assert "router leaf: nothing says which nodes are attached to it" in [str(each) for each in cluster.warnings]


def test_every_value_of_a_label_is_a_router(tmp_path: Path) -> None:
    cluster = joined(tmp_path, {"routersFromLabel": RACK})
    assert cluster.attachments == {"r1": ("n1", "n2"), "r2": ("n3",)}
    assert [each.selector for each in cluster.routers] == [LabelSelector({RACK: "r1"}), LabelSelector({RACK: "r2"})]


def test_a_router_from_a_label_may_be_described_and_stands_in_its_domain(tmp_path: Path) -> None:
    given = {
        "routers": [
            {"name": "r1", "maxSessions": 4, "domains": {"row": "x"}},
            {"name": "r2", "domains": {"rack": "no"}},
        ],
        "routersFromLabel": RACK,
        "failureDomains": [{"kind": "rack", "nodeLabel": RACK}, {"kind": "row", "nodeLabel": "row"}],
    }
    first, second = joined(tmp_path, given).routers
    assert (first.max_sessions, first.domains) == (4, {"rack": "r1", "row": "x"})
    assert second.domains == {"rack": "no"}


def test_a_label_for_routers_that_no_node_carries_is_refused(tmp_path: Path) -> None:
    assert (
        refused(tmp_path, {"routersFromLabel": "rack"}) == "topology: routersFromLabel: no node carries the label rack"
    )


def test_a_label_value_that_no_node_can_carry_is_refused(tmp_path: Path) -> None:
    sentence = refused(tmp_path, {"routersFromLabel": "x"}, node("n5", {"x": "a\nb"}))
    assert sentence.startswith("node n5: label x: 'a\\nb' is not a label value")


LEAF = {"matchLabels": {RACK: "r1"}}


def test_without_topology_every_bgp_peer_is_a_router(tmp_path: Path) -> None:
    cluster = joined(tmp_path, None, peer("leaf-1", "10.9.0.1", LEAF), peer("all", "10.9.0.2", asn=0))
    assert cluster.attachments == {"all": ("n1", "n2", "n3", "n4"), "leaf-1": ("n1", "n2")}
    first, second = cluster.routers
    assert (first.address, first.asn, first.peer, first.selector) == ("10.9.0.2", None, "all", None)
    assert (second.address, second.asn, second.selector) == ("10.9.0.1", 65001, LabelSelector({RACK: "r1"}))


def test_a_bgp_peer_belongs_to_the_router_of_its_address(tmp_path: Path) -> None:
    routers = [{"name": "a", "address": "FD00::1", "nodes": {"names": ["n4"]}}, {"name": "b", "address": "10.9.0.2"}]
    cluster = joined(tmp_path, {"routers": routers}, peer("b", "fd00::1", LEAF), peer("x", "10.9.0.2", LEAF))
    assert [(each.name, each.peer) for each in cluster.routers] == [("a", "b"), ("b", "x")]
    assert cluster.attachments == {"a": ("n4",), "b": ("n1", "n2")}


def test_else_to_the_router_of_its_name(tmp_path: Path) -> None:
    found = joined(tmp_path, {"routers": [{"name": "leaf", "asn": 65001}]}, peer("leaf", "10.9.0.1", LEAF)).routers
    assert [(each.name, each.peer, each.address) for each in found] == [("leaf", "leaf", "10.9.0.1")]


def test_else_to_the_router_of_the_label_value_that_it_selects(tmp_path: Path) -> None:
    found = joined(tmp_path, {"routersFromLabel": RACK}, peer("leaf", "10.9.0.1", LEAF)).routers
    assert [(each.name, each.peer) for each in found] == [("r1", "leaf"), ("r2", None)]


def test_two_bgp_peers_that_select_one_label_value_are_two_routers(tmp_path: Path) -> None:
    both = [peer("tor-a", "10.9.0.1", LEAF), peer("tor-b", "10.9.0.2", LEAF)]
    cluster = joined(tmp_path, {"routersFromLabel": RACK}, *both)
    assert [(each.name, each.peer) for each in cluster.routers] == [("r1", "tor-a"), ("r2", None), ("tor-b", "tor-b")]
    assert cluster.attachments["r1"] == cluster.attachments["tor-b"] == ("n1", "n2")


def test_a_bgp_peer_with_a_router_s_name_but_another_address_is_another_router(tmp_path: Path) -> None:
    given = {"routers": [{"name": "leaf", "address": "10.9.0.9", "nodes": {"names": ["n4"]}}]}
    found = joined(tmp_path, given, peer("leaf", "10.9.0.1", LEAF)).routers
    assert [(each.name, each.peer) for each in found] == [("leaf", None), ("leaf (10.9.0.1)", "leaf")]


def test_an_as_number_that_differs_from_the_bgp_peer_s_is_told(tmp_path: Path) -> None:
    cluster = joined(tmp_path, {"routers": [{"name": "leaf", "asn": 65009}]}, peer("leaf", "10.9.0.1"))
    assert cluster.routers[0].asn == 65009
    assert "router leaf: the topology says AS 65009, BgpPeer leaf says AS 65001" in [
        str(each) for each in cluster.warnings
    ]


RUNNING = (daemonset(), speaker_pod("n1"), speaker_pod("n2"), speaker_pod("n3"))


def test_today_s_sessions_are_those_that_the_bgp_peers_select(tmp_path: Path) -> None:
    cluster = joined(tmp_path, None, *RUNNING, peer("leaf", "10.9.0.1", LEAF), peer("all", "10.9.0.2"))
    assert cluster.today.sessions == {"all": ("n1", "n2", "n3"), "leaf": ("n1", "n2")}


def test_a_session_of_today_needs_no_attachment(tmp_path: Path) -> None:
    given = {"routers": [{"name": "leaf", "nodes": {"names": ["n4"]}}]}
    cluster = joined(tmp_path, given, *RUNNING, peer("leaf", "10.9.0.1", LEAF))
    assert (cluster.attachments["leaf"], cluster.today.sessions["leaf"]) == (("n4",), ("n1", "n2"))


def test_two_bgp_peers_of_one_address_are_one_router_with_the_sessions_of_both(tmp_path: Path) -> None:
    other = {"matchLabels": {RACK: "r2"}}
    cluster = joined(tmp_path, None, *RUNNING, peer("a", "fd00::1", LEAF), peer("b", "fd00:0::1", other))
    assert [(each.name, each.peer) for each in cluster.routers] == [("a", "a")]
    assert cluster.today.sessions == {"a": ("n1", "n2", "n3")}
    assert [each.name for each in cluster.peers] == ["a", "b"]


def domains(cluster: Cluster) -> list[dict[str, Any]]:
    return [dict(each.domains) for each in cluster.nodes]


def test_failure_domains_come_from_node_labels(tmp_path: Path) -> None:
    given = {"failureDomains": [{"kind": "rack", "nodeLabel": RACK}, {"kind": "room", "nodeLabel": "zone"}]}
    assert domains(joined(tmp_path, given)) == [
        {"rack": "r1", "room": "a"},
        {"rack": "r1", "room": "b"},
        {"rack": "r2", "room": "a"},
        {"room": "b"},
    ]


def test_well_known_kinds_need_no_declaration(tmp_path: Path) -> None:
    zoned = node("n5", {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "e1"})
    assert domains(joined(tmp_path, {}, zoned, survive=("zone", "region")))[4] == {"zone": "z1", "region": "e1"}


def test_a_well_known_kind_may_be_declared_otherwise(tmp_path: Path) -> None:
    given = {"failureDomains": [{"kind": "zone", "nodeLabel": "zone"}]}
    assert domains(joined(tmp_path, given, survive=("zone",)))[0] == {"zone": "a"}


def test_a_kind_to_survive_must_be_declared_and_on_some_node(tmp_path: Path) -> None:
    assert refused(tmp_path, {}, survive=("rack",)) == (
        "policy: survive: 'rack' is no declared kind of failure domain (known are hostname, region, zone); "
        "the topology declares kinds under failureDomains"
    )
    assert refused(tmp_path, {}, survive=("zone",)) == (
        "policy: survive: zone: no node carries the label topology.kubernetes.io/zone"
    )


def test_the_domains_of_a_router_must_be_of_a_known_kind(tmp_path: Path) -> None:
    given = {"routers": [{"name": "leaf", "domains": {"rak": "r1"}}]}
    sentence = "topology: router leaf: domains: 'rak' is not among the failureDomains"
    assert refused(tmp_path, given) == f"{sentence} (none is declared)"
    declared = given | {"failureDomains": [{"kind": "rack", "nodeLabel": RACK}]}
    assert refused(tmp_path, declared) == f"{sentence} (rack)"
    assert joined(tmp_path, {"routers": [{"name": "leaf", "domains": {"zone": "z1"}}]}).routers[0].domains


def test_the_index_finds_the_nodes_that_a_scan_finds() -> None:
    rows = [{"row": "a"}, {"row": "b"}, {}, {}]
    nodes = [
        Node(f"n{i}", {"rack": f"r{i % 3}"} | rows[i % 4], addresses=(f"10.0.{i % 2}.{i}", f"fd00::{i}"))
        for i in range(20)
    ]
    index = NodeIndex(nodes)
    assert index.select(LabelSelector({"rack": "r1"})) == tuple(sorted(f"n{i}" for i in range(20) if i % 3 == 1))
    assert index.select(None) is index.select(LabelSelector()) is index.every
    both = LabelSelector({"rack": "r1", "row": "a"}, (Requirement("rack", "In", ("r1", "r2")),))
    assert index.select(both) == tuple(sorted(each.name for each in nodes if selects(both, each.labels)))
    several = LabelSelector({}, (Requirement("row", "Exists"), Requirement("rack", "In", ("r2", "r1", "r2"))))
    assert index.select(several) == tuple(sorted(each.name for each in nodes if selects(several, each.labels)))
    assert index.in_ranges(["10.0.1.0/28"]) == {f"n{i}" for i in range(16) if i % 2}
    assert index.in_ranges(["fd00::/125", "10.0.0.0/29"]) == {f"n{i}" for i in range(8)}

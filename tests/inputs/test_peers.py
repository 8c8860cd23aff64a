"""Peer objects and the routers that they belong to: one address, objects that are off, odd or select nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.inputs.peers import sessions_by_peer
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology
from optimizer.model import Cluster, LabelSelector, Mode, Policy
from optimizer.placements.optimize import optimize
from tests.objects import Object, daemonset, node, peer, read, speaker_pod

HOST = "kubernetes.io/hostname"
NODES = tuple(node(f"n{i}", {"rack": f"r{i % 2}", HOST: f"n{i}"}) for i in range(1, 5))
SPEAKERS = (daemonset(), *(speaker_pod(f"n{i}") for i in range(1, 4)))
EVEN, ODD = ({"matchLabels": {"rack": rack}} for rack in ("r0", "r1"))


def joined(folder: Path, *objects: Object, topology: Object | None = None, mode: Mode = "bgp") -> Cluster:
    found = read(folder, *NODES, *SPEAKERS, *objects)
    return with_topology(found, parse_topology(topology or {}, "t.yaml"), Policy(mode=mode))


def told(cluster: Cluster, rule: str) -> list[str]:
    return [each.sentence for each in cluster.warnings if each.rule == rule]


def with_conf(manifest: Object, **fields: Any) -> Object:
    manifest["spec"]["conf"].update(fields)
    return manifest


def off(name: str, address: str, selector: Object | None = None) -> Object:
    return with_conf(peer(name, address, selector), adminDown=True)


def hosts(*names: str) -> Object:
    return {"matchExpressions": [{"key": HOST, "operator": "In", "values": [*names]}]}


def test_the_nodes_of_all_objects_of_an_address_are_attached(tmp_path: Path) -> None:
    cluster = joined(tmp_path, peer("a", "10.9.0.1", EVEN), peer("b", "::ffff:10.9.0.1", hosts("n3")))
    assert [(each.name, each.peer, each.address, each.selector) for each in cluster.routers] == [
        ("a", "a", "10.9.0.1", None)
    ]
    assert cluster.attachments == {"a": ("n2", "n3", "n4")}
    assert cluster.today.sessions == {"a": ("n2", "n3")}


def test_the_selector_of_an_object_that_says_it_all_is_kept(tmp_path: Path) -> None:
    cluster = joined(tmp_path, peer("a", "10.9.0.1", hosts("n2")), peer("b", "10.9.0.1", EVEN))
    assert (cluster.routers[0].selector, cluster.attachments["a"]) == (LabelSelector({"rack": "r0"}), ("n2", "n4"))
    every = joined(tmp_path, peer("a", "10.9.0.1", EVEN), peer("b", "10.9.0.1"))
    assert (every.routers[0].selector, every.attachments["a"]) == (None, ("n1", "n2", "n3", "n4"))
    assert every.today.everywhere("a")


def test_objects_that_list_host_names_alone_are_told(tmp_path: Path) -> None:
    both = joined(tmp_path, peer("a", "10.9.0.1", hosts("n1")), peer("b", "10.9.0.1", hosts("n2")))
    assert len(told(both, "attached-by-host-name")) == 1
    mixed = joined(tmp_path, peer("a", "10.9.0.1", hosts("n1")), peer("b", "10.9.0.1", EVEN))
    assert told(mixed, "attached-by-host-name") == []


def test_the_topology_may_know_a_router_by_the_name_of_any_of_its_objects(tmp_path: Path) -> None:
    given = {"routers": [{"name": "b", "maxSessions": 7}]}
    cluster = joined(tmp_path, peer("a", "10.9.0.1", EVEN), peer("b", "10.9.0.1", ODD), topology=given)
    assert [(each.name, each.peer, each.max_sessions) for each in cluster.routers] == [("b", "a", 7)]
    given = {"routers": [{"name": "leaf", "address": "::ffff:10.9.0.1"}]}
    cluster = joined(tmp_path, peer("a", "10.9.0.1", EVEN), topology=given)
    assert [(each.name, each.peer, each.address) for each in cluster.routers] == [("leaf", "a", "10.9.0.1")]


def test_objects_of_one_address_that_differ_are_refused(tmp_path: Path) -> None:
    first, second = peer("tor", "10.9.0.1", EVEN), peer("tor-new", "::ffff:10.9.0.1", ODD, asn=65099)
    with_conf(first, authPassword="alpha")
    with pytest.raises(InputError) as caught:
        joined(tmp_path, first, second)
    assert str(caught.value) == (
        "BgpPeers tor and tor-new have one address, 10.9.0.1, but differ in spec.conf.authPassword, "
        "spec.conf.peerAs (65001, 65099): OpenELB keeps sessions by address, so that one undoes the other; make them "
        "alike, or delete the one that is not needed"
    )


@pytest.mark.parametrize("mode", ["layer2", "vip"])
def test_outside_mode_bgp_nothing_is_refused(tmp_path: Path, mode: Mode) -> None:
    different = peer("a", "10.9.0.1", EVEN), peer("b", "10.9.0.1", ODD, asn=65099)
    cluster = joined(tmp_path, *different, off("c", "10.9.0.2"), mode=mode)
    # Where nodes are plugged in does not depend on sessions.
    assert cluster.attachments == {"a": ("n1", "n2", "n3", "n4"), "c": ("n1", "n2", "n3", "n4")}
    assert "c" not in cluster.today.sessions
    assert told(cluster, "peer-admin-down") == []


def test_one_that_is_down_beside_one_that_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a and b have .*differ in spec\.conf\.adminDown \(true, absent\)"):
        joined(tmp_path, off("a", "10.9.0.1", EVEN), peer("b", "10.9.0.1", ODD))
    both = joined(tmp_path, off("a", "10.9.0.1"), with_conf(off("b", "10.9.0.1"), peerAs=7), peer("c", "10.9.0.2"))
    assert [each.name for each in both.routers] == ["c"]


def test_a_router_whose_object_is_down_is_left_out(tmp_path: Path) -> None:
    cluster = joined(tmp_path, off("leaf-b", "10.9.0.2", ODD), peer("leaf-a", "10.9.0.1", EVEN))
    assert [each.name for each in cluster.routers] == ["leaf-a"]
    assert cluster.attachments == {"leaf-a": ("n2", "n4")}
    assert cluster.today.sessions == {"leaf-a": ("n2",)}
    assert told(cluster, "peer-admin-down") == [
        "BgpPeer leaf-b is administratively down: router leaf-b has no session, and asks for none"
    ]
    placement = optimize(cluster, Policy())
    assert (placement.speakers, placement.today.sessions) == (("n2", "n4"), 1)
    assert placement.ineligible == {"attached to no router": 2}


@pytest.mark.parametrize(
    "router", [{"name": "x", "address": "10.9.0.2"}, {"name": "x", "address": "::ffff:a09:2"}, {"name": "leaf-b"}]
)
def test_so_is_one_that_the_topology_describes(tmp_path: Path, router: Object) -> None:
    topology = {"routers": [router | {"nodes": {"names": ["n1"]}}, {"name": "y", "nodes": {"names": ["n2"]}}]}
    cluster = joined(tmp_path, off("leaf-b", "10.9.0.2"), topology=topology)
    assert (list(cluster.attachments), [each.name for each in cluster.routers]) == (["y"], ["y"])
    assert f"router {router['name']} has no session" in told(cluster, "peer-admin-down")[0]


def test_a_router_of_the_same_name_and_another_address_stays(tmp_path: Path) -> None:
    given = {"routers": [{"name": "leaf", "address": "10.9.0.9", "nodes": {"names": ["n1"]}}]}
    assert [each.name for each in joined(tmp_path, off("leaf", "10.9.0.2"), topology=given).routers] == ["leaf"]
    # A label's value is that of the one that is up.
    both = joined(
        tmp_path, off("a", "10.9.0.1", EVEN), peer("b", "10.9.0.2", EVEN), topology={"routersFromLabel": "rack"}
    )
    assert [(each.name, each.peer) for each in both.routers] == [("r0", "b"), ("r1", None)]
    alone = joined(tmp_path, off("a", "10.9.0.1", EVEN), topology={"routersFromLabel": "rack"})
    assert [each.name for each in alone.routers] == ["r1"]


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        (
            [off("a", "10.9.0.1"), off("b", "10.9.0.2")],
            "BgpPeer a is administratively down: router a has no session, and asks for none (and 1 more like it)",
        ),
        (
            [peer("a", "tor.example.com")],
            "BgpPeer a: spec.conf.neighborAddress: 'tor.example.com' is not an IP address: this BgpPeer is passed "
            "over, and sessions that it may give are not looked at",
        ),
    ],
)
def test_where_no_router_is_left_it_is_told_why(tmp_path: Path, objects: list[Object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        optimize(joined(tmp_path, *objects), Policy())
    assert str(caught.value).removeprefix(f"{tmp_path}/cluster.json: ") == f"{sentence}; no router is left"


def test_an_object_that_selects_nobody_is_told(tmp_path: Path) -> None:
    nobody = peer("leaf", "10.9.0.1", {"matchLabels": {"rack": "r9"}})
    assert told(joined(tmp_path, nobody, peer("b", "10.9.0.1", EVEN)), "peer-selects-nobody") == [
        "BgpPeer leaf selects none of the nodes: it gives no session"
    ]
    assert told(joined(tmp_path, nobody, mode="layer2"), "peer-selects-nobody") == []


def test_sessions_by_peer_are_known_also_where_objects_differ(tmp_path: Path) -> None:
    different = peer("a", "10.9.0.1", EVEN), peer("b", "10.9.0.1", hosts("n3"), asn=65099)
    found = read(tmp_path, *NODES, *SPEAKERS, *different, off("c", "10.9.0.2"), peer("odd", "x"))
    assert sessions_by_peer(found) == {("n2", "a"), ("n3", "a")}


@pytest.mark.parametrize("cidr", ["10.0.1.0/24", "::ffff:10.0.1.0/120"])
def test_addresses_of_nodes_and_ranges_are_known_in_any_notation(tmp_path: Path, cidr: str) -> None:
    nodes = (node("m1", addresses=["::ffff:10.0.1.1"]), node("m2", addresses=["10.0.1.2"]), node("m3"))
    topology = {"routers": [{"name": "leaf", "nodes": {"cidrs": [cidr]}}]}
    cluster = with_topology(read(tmp_path, *nodes), parse_topology(topology, "t.yaml"))
    assert cluster.attachments == {"leaf": ("m1", "m2")}


@pytest.mark.parametrize("address", ["fe80::1%\u001b[32m", "fe80::1%a b", "10.0.0.1/24", "tor"])
def test_an_odd_address_in_the_topology_is_an_error(address: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_topology({"routers": [{"name": "leaf", "address": address}]}, "t.yaml")
    assert str(caught.value) == f"t.yaml: routers[0] (leaf): address: {address!r} is not an IP address"
    assert str(caught.value).isprintable()


def test_one_address_in_two_notations_is_given_twice() -> None:
    routers = [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "::ffff:10.0.0.1"}]
    with pytest.raises(InputError, match=r"t\.yaml: routers: the address '10\.0\.0\.1' is given twice"):
        parse_topology({"routers": routers}, "t.yaml")
    with pytest.raises(InputError, match=r"nodes\.cidrs: 'fe80::%x/64' is not a range"):
        parse_topology({"routers": [{"name": "a", "nodes": {"cidrs": ["fe80::%x/64"]}}]}, "t.yaml")

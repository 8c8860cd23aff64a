from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.errors import InputError
from optimizer.inputs.topology import parse_topology
from optimizer.model import LabelSelector, Requirement
from tests.objects import Object, conf, node, peer, read, refusal

EXPRESSION = {"key": "rack", "operator": "Near", "values": ["r1"]}


def test_a_bgp_peer_is_read(tmp_path: Path) -> None:
    expressions = [{"key": "rack", "operator": "In", "values": ["r1", "r2"]}]
    given = peer("leaf-1", "FD00:0::1", {"matchLabels": {"a": "b"}, "matchExpressions": expressions})
    found = read(tmp_path, node("n1"), given, peer("all", "10.0.0.2"), peer("any", "10.0.0.3", {})).peers
    assert [each.name for each in found] == ["all", "any", "leaf-1"]
    assert [each.address for each in found] == ["10.0.0.2", "10.0.0.3", "fd00::1"]
    assert [each.selector for each in found[:2]] == [None, LabelSelector()]
    assert found[2].selector == LabelSelector({"a": "b"}, (Requirement("rack", "In", ("r1", "r2")),))
    assert (found[2].asn, found[2].manifest) == (65001, given)


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("::ffff:10.0.1.1", "10.0.1.1"),
        ("::FFFF:a00:101", "10.0.1.1"),
        ("FD00:0::1", "fd00::1"),
        ("fe80::1%eth0.7_a-b", "fe80::1%eth0.7_a-b"),
    ],
)
def test_an_address_is_read_in_any_notation(tmp_path: Path, address: str, canonical: str) -> None:
    assert [each.address for each in read(tmp_path, node("n1"), peer("leaf", address)).peers] == [canonical]


ODD = (
    "10.0.0.256", "010.0.0.1", "10.0.0.1 ", "10.0.0.1:179", "[fd00::1]", "10.0.0.1/24", "tor.example.com",
    "10.0.0.1%eth0", "::ffff:10.0.0.1%eth0", "fe80::1%",
    "fe80::1%\u001b[32mFORGED\nstatus", "fe80::1%eth 0", "fe80::1%ä", "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("address", ODD)
def test_a_bgp_peer_with_an_odd_address_is_passed_over(tmp_path: Path, address: str) -> None:
    cluster = read(tmp_path, node("n1"), peer("odd", address), peer("leaf", "10.0.0.1"))
    assert [each.name for each in cluster.peers] == ["leaf"]
    (found,) = (each for each in cluster.warnings if each.rule == "peer-address")
    assert found.object == "BgpPeer odd"
    assert f"cluster.json: BgpPeer odd: spec.conf.neighborAddress: {address[:80]!r} is not an IP address" in str(found)
    assert str(found).isprintable()
    assert len(str(found)) < 500


@pytest.mark.parametrize("conf", [{}, {"neighborAddress": ""}, {"neighborAddress": None}, None])
def test_a_bgp_peer_without_an_address_is_passed_over(tmp_path: Path, conf: Object | None) -> None:
    given = peer("odd", "") | {"spec": {"conf": conf}}
    cluster = read(tmp_path, node("n1"), given)
    assert cluster.peers == ()
    assert any("BgpPeer odd: spec.conf.neighborAddress is missing: this" in str(each) for each in cluster.warnings)


@pytest.mark.parametrize("down", [True, False, None])
def test_a_bgp_peer_may_be_administratively_down(tmp_path: Path, down: bool | None) -> None:
    given = peer("leaf", "10.0.0.1")
    given["spec"]["conf"]["adminDown"] = down
    assert [each.off for each in read(tmp_path, node("n1"), given).peers] == [bool(down)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (peer("leaf", "10.0.0.1", asn="65001"), "spec.conf.peerAs: expected a whole number, found text"),
        (peer("leaf", "10.0.0.1", asn=2**32), "spec.conf.peerAs must be from 0 to 4294967295, not 4294967296"),
        (peer("leaf", "10.0.0.1", asn=-1), "spec.conf.peerAs must be from 0"),
        (peer("leaf", "10.0.0.1", {"matchExpressions": [EXPRESSION]}), "spec.nodeSelector.matchExpressions: operator"),
        (peer("leaf", "10.0.0.1", {"matchLabels": {"rack": "r 1"}}), "spec.nodeSelector.matchLabels: 'r 1' is not a"),
        (peer("leaf", "10.0.0.1") | {"spec": 5}, "spec: expected an object, found a whole number"),
        (
            peer("leaf", "10.0.0.1") | {"spec": {"conf": {"adminDown": "true"}}},
            "spec.conf.adminDown: expected true or false",
        ),
        (peer("leaf", "10.0.0.1") | {"spec": {"afiSafis": ["ipv4"]}}, "spec.afiSafis[0]: expected an object"),
    ],
)
def test_a_bgp_peer_with_an_impossible_field_is_passed_over(tmp_path: Path, given: Object, sentence: str) -> None:
    cluster = read(tmp_path, node("n1"), given, peer("other", "10.0.0.2"))
    assert [each.name for each in cluster.peers] == ["other"]
    (found,) = (each for each in cluster.warnings if each.rule == "peer-invalid")
    assert f"cluster.json: BgpPeer leaf: {sentence}" in str(found)
    conf = (given["spec"] if isinstance(given["spec"], dict) else {}).get("conf", {})
    assert cluster.settings == {"passedOver": {"leaf": conf.get("neighborAddress", "")}}


def test_a_bgp_peer_of_another_version_is_refused(tmp_path: Path) -> None:
    given = peer("leaf", "10.0.0.1") | {"apiVersion": "network.kubesphere.io/v1alpha1"}
    assert refusal(tmp_path, node("n1"), given).startswith("cluster.json: BgpPeer leaf: apiVersion network.kubesphere")


@pytest.mark.parametrize("held", [{}, {"finalizers": ["finalizer.bgp.kubesphere.io/v1alpha2"]}])
def test_a_bgp_peer_that_is_being_deleted_is_not_read(tmp_path: Path, held: Object) -> None:
    # What it asks for does not matter any more, even where it could not be read.
    leaving, broken, stays = peer("leaf-1", "10.0.0.1"), peer("leaf-2", "none"), peer("leaf-3", "10.0.0.1")
    for each in (leaving, broken):
        each["metadata"] |= {"deletionTimestamp": "2026-05-01T10:00:00Z"} | held
    stays["metadata"] |= held
    found = read(tmp_path, node("n1"), leaving, broken, stays)
    assert [each.name for each in found.peers] == ["leaf-3"]
    assert found.peers == read(tmp_path / "other", node("n1"), stays).peers
    stays["metadata"]["deletionTimestamp"] = None
    assert [each.name for each in read(tmp_path, node("n1"), stays).peers] == ["leaf-3"]


def test_only_the_bgp_conf_named_default_counts(tmp_path: Path) -> None:
    cluster = read(tmp_path, node("n1"), conf(asPerRack={"r1": 65001}), conf("other", asPerRack={"r9": 1}))
    assert cluster.settings == {"asPerRack": {"r1": 65001}}
    assert any(
        "BgpConf other: OpenELB reads only the BgpConf named default" in told for told in map(str, cluster.warnings)
    )
    assert read(tmp_path, node("n1"), conf("other", asPerRack={"r9": 1})).settings == {}
    assert read(tmp_path, node("n1"), conf(asPerRack={})).settings == {}


def test_a_bgp_conf_with_an_impossible_as_is_refused(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, node("n1"), conf(asPerRack={"r1": 2**40}))
    assert sentence.startswith("cluster.json: BgpConf default: spec.asPerRack (r1) must be from 0 to 4294967295")


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.5", "ff02::1", "127.0.0.1", "::1", "255.255.255.255"]
)
def test_an_address_that_no_router_can_have_is_odd(tmp_path: Path, address: str) -> None:
    cluster = read(tmp_path, node("n1"), peer("odd", address), peer("leaf", "10.0.0.1"))
    assert [each.name for each in cluster.peers] == ["leaf"]
    (found,) = (each for each in cluster.warnings if each.rule == "peer-address")
    assert f"no router can have the address {address}: this BgpPeer is passed over" in str(found)
    with pytest.raises(InputError, match=r"routers\[0\] \(a\): address: no router can have the address"):
        parse_topology({"routers": [{"name": "a", "address": address}]}, "t.yaml")

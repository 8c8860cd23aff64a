from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.kube.changes import Create, Delete, Patch, apply_changes
from optimizer.kube.selectors import selects
from optimizer.model import Cluster, LabelSelector, Placement, Policy
from optimizer.plan.objects import objects_of
from optimizer.plan.order import labelled_for_now
from optimizer.speakers.openelb import peers as openelb
from optimizer.speakers.product import PeerEdits
from tests.exports.export_inputs import (
    HOSTNAME,
    KEY,
    POLICY,
    cluster,
    hostnames,
    node,
    peer,
    placed,
    rack,
    router,
    two_racks,
)

NAMES = ("a1", "a2", "b1", "b2", "c1")
NODES = [node("a1"), node("a2"), node("a3"), node("b1", "r2")]


def edits(found: Cluster, placement: Placement) -> PeerEdits:
    return openelb.edit_peers(found, POLICY, placement, labelled_for_now(found, POLICY, placement))


def one(raw: dict[str, Any] | None, selector: dict[str, Any] | None = None, **more: Any) -> Cluster:
    """One router with one BgpPeer."""
    return cluster(NODES, [router(1, "leaf-1", selector)], [peer("leaf-1", "10.0.0.1", raw)], **more)


def selectors(found: Cluster, result: PeerEdits) -> tuple[Any, Any]:
    """The BgpPeer's selector after the early and after all edits."""
    early = apply_changes(objects_of(found), result.early)
    late = apply_changes(early, result.late)
    name = result.names["leaf-1"]
    return tuple(each["BgpPeer", "", name]["spec"].get("nodeSelector") for each in (early, late))


def test_a_selector_that_gives_the_sessions_is_left_alone() -> None:
    assert edits(one(rack("r1")), placed(("a1", "leaf-1"), ("a2", "leaf-1"))) == PeerEdits(names={"leaf-1": "leaf-1"})
    assert not edits(one(None), placed(("a1", "leaf-1"), ("b1", "leaf-1"))).early


def test_a_selector_by_our_label_sees_the_label_that_the_plan_sets() -> None:
    peers = [peer("p", "10.0.0.1", {"matchLabels": {KEY: "true"}})]
    nodes = [node("a1"), node("a2")]
    # a1 gets the label; of a template that asks for it already, or where no other speaker runs, nobody else does.
    for pod, running in (({"nodeSelector": {KEY: "true"}}, []), ({}, ["a1"])):
        found = cluster(nodes, [router(1, "p")], peers, pod, running=running)
        assert edits(found, placed(("a1", "leaf-1"))) == PeerEdits(names={"leaf-1": "p"})


def test_a_selector_by_our_label_opens_nothing_on_speakers_that_are_labelled_for_now() -> None:
    # The plan labels a2 as well until the new session of a1 is up; the BgpPeer must not let it peer.
    found = one({"matchLabels": {KEY: "true"}}, running=["a1", "a2"])
    result = edits(found, placed(("a1", "leaf-1")))
    assert selectors(found, result) == (hostnames("a1"), {"matchLabels": {KEY: "true"}})


def test_a_selector_that_our_label_takes_nodes_out_of_is_replaced_first() -> None:
    unlabelled = {"matchExpressions": [{"key": KEY, "operator": "DoesNotExist"}]}
    found = one(unlabelled, running=["a1", "a2"])
    result = edits(found, placed(("a1", "leaf-1")))
    assert selectors(found, result) == (hostnames("a1", "a2"), hostnames("a1"))


def test_a_selector_is_rewritten_to_hostnames_as_a_whole() -> None:
    found = one(rack("r1") | {"matchExpressions": []})
    result = edits(found, placed(("a1", "leaf-1"), speakers=["a2"]))
    # Today's sessions stay until the end.
    assert (result.early, len(result.late)) == ((), 1)
    assert selectors(found, result)[1] == hostnames("a1")


def test_the_routers_own_selector_is_preferred() -> None:
    found = one(hostnames("a1"), rack("r1"), running=["a1", "a2"])
    result = edits(found, placed(("a1", "leaf-1"), ("a2", "leaf-1")))
    assert selectors(found, result) == (rack("r1"), rack("r1"))
    assert not result.late


def test_opening_and_closing_goes_over_the_union() -> None:
    found = one(hostnames("a1"), running=["a1"])
    assert selectors(found, edits(found, placed(("a2", "leaf-1")))) == (hostnames("a1", "a2"), hostnames("a2"))


def test_a_selector_that_would_open_more_in_between_comes_last() -> None:
    found = one(hostnames("a1"), rack("r1"), running=["a1", "a3"])
    result = edits(found, placed(("a1", "leaf-1"), ("a2", "leaf-1")))
    assert selectors(found, result) == (hostnames("a1", "a2"), rack("r1"))


def test_hostname_labels_are_used_where_they_differ_from_node_names() -> None:
    nodes = [replace(NODES[0], labels={**NODES[0].labels, HOSTNAME: "host-a1"}), *NODES[1:]]
    found = cluster(nodes, [router(1, "leaf-1")], [peer("leaf-1", "10.0.0.1", None)])
    assert selectors(found, edits(found, placed(("a1", "leaf-1"), speakers=["a2"])))[1] == hostnames("host-a1")


def test_a_missing_hostname_label_is_named() -> None:
    nodes = [replace(NODES[0], labels={}), *NODES[1:]]
    with pytest.raises(InputError, match=f"node a1 has no label {HOSTNAME}"):
        edits(cluster(nodes, [router(1, "p")], [peer("p", "10.0.0.1")]), placed(("a1", "leaf-1"), speakers=["a2"]))


def test_a_hostname_label_that_no_selector_can_name_is_named_where_it_is_needed() -> None:
    found = cluster(
        [replace(NODES[0], labels={HOSTNAME: "a 1"}), *NODES[1:]], [router(1, "p")], [peer("p", "10.0.0.1")]
    )
    with pytest.raises(InputError, match=f"node a1: label {HOSTNAME}: 'a 1' is not a label value"):
        edits(found, placed(("a1", "leaf-1"), speakers=["a2"]))
    assert edits(found, placed(("a2", "leaf-1"), speakers=["a1"])).names == {"leaf-1": "p"}


def test_hostname_labels_that_two_speakers_share_are_named() -> None:
    nodes = [NODES[0], replace(NODES[1], labels={HOSTNAME: "a1"})]
    with pytest.raises(InputError, match=f"nodes a1 and a2 share the label {HOSTNAME}=a1"):
        edits(cluster(nodes, [router(1, "p")], [peer("p", "10.0.0.1")]), placed(("a1", "leaf-1"), speakers=["a2"]))


def test_a_router_without_a_bgppeer_gets_one() -> None:
    found = cluster(NODES, [router(1, None, rack("r1"))], running=["a1", "b1"])
    result = edits(found, placed(("a1", "leaf-1"), speakers=["b1"]))
    assert result.early == (
        Create(
            {
                "apiVersion": "network.kubesphere.io/v1alpha2",
                "kind": "BgpPeer",
                "metadata": {"name": "leaf-1", "labels": {"app.kubernetes.io/managed-by": "bgp-speakers"}},
                "spec": {"conf": {"neighborAddress": "10.0.0.1", "peerAs": 65001}, "nodeSelector": rack("r1")},
            }
        ),
    )


def test_a_created_bgppeer_has_no_selector_where_every_speaker_peers() -> None:
    result = edits(cluster(NODES, [router(1)], running=["a1"]), placed(("a1", "leaf-1"), ("b1", "leaf-1")))
    (change,) = result.early
    assert isinstance(change, Create)
    assert "nodeSelector" not in change.manifest["spec"]


def test_a_created_bgppeer_lists_hostnames_while_other_speakers_still_run() -> None:
    result = edits(cluster(NODES, [router(1)]), placed(("a1", "leaf-1"), ("b1", "leaf-1")))
    (change,) = result.early
    assert isinstance(change, Create)
    assert change.manifest["spec"]["nodeSelector"] == hostnames("a1", "b1")


@pytest.mark.parametrize("field", ["address", "asn"])
def test_a_router_without_bgppeer_and_without_what_one_needs_is_named(field: str) -> None:
    found = cluster(NODES, [replace(router(1), **{field: None})])
    with pytest.raises(InputError, match=f"router leaf-1 has no BgpPeer, and none can be created: its {field} "):
        edits(found, placed(("a1", "leaf-1")))


def test_a_router_that_is_not_in_the_input_is_named() -> None:
    with pytest.raises(InputError, match="router leaf-9 of the placement"):
        edits(two_racks(), placed(("a1", "leaf-9")))


@pytest.mark.parametrize(("name", "made"), [("Rack_7/A", "rack-7-a"), ("---", "router"), ("x" * 300, "x" * 240)])
def test_names_of_bgppeers_are_dns_safe(name: str, made: str) -> None:
    assert openelb.peer_name(name, set()) == made
    assert openelb.peer_name(name, {made, f"{made}-2"}) == f"{made}-3"


def test_a_second_bgppeer_of_an_address_is_led_away_then_deleted() -> None:
    peers = [peer("one", "10.0.0.1", rack("r1")), peer("two", "10.0.0.1", rack("r2"))]
    found = cluster(NODES, [router(1, "two")], peers)
    result = edits(found, placed(("a1", "leaf-1"), ("b1", "leaf-1")))
    kinds = [type(change).__name__ + " " + getattr(change, "name", "") for change in (*result.early, *result.late)]
    assert kinds == ["Patch one", "Patch two", "Patch two", "Delete one"]
    parked = apply_changes(objects_of(found), result.early[:1])["BgpPeer", "", "one"]["spec"]
    assert parked["conf"]["neighborAddress"] == "192.0.2.1"
    assert {part["operator"] for part in parked["nodeSelector"]["matchExpressions"]} == {"Exists", "DoesNotExist"}
    assert selectors(found, result) == (hostnames("a1", "a2", "a3", "b1"), hostnames("a1", "b1"))


def test_the_bgppeer_that_stays_is_edited_even_where_it_is_right() -> None:
    # It is looked at again only when it changes, and the other one may have closed its sessions.
    peers = [peer("one", "10.0.0.1", hostnames("a1", "a2")), peer("two", "10.0.0.1", hostnames("a1"))]
    found = cluster(NODES, [router(1, "one")], peers, running=["a1", "a2"])
    result = edits(found, placed(("a1", "leaf-1"), ("a2", "leaf-1")))
    early, late = selectors(found, result)
    assert early == {
        "matchExpressions": [*hostnames("a1", "a2")["matchExpressions"], {"key": HOSTNAME, "operator": "Exists"}]
    }
    assert late == hostnames("a1", "a2")
    assert isinstance(result.late[-1], Delete)


def test_layer2_edits_no_bgppeer() -> None:
    assert openelb.edit_peers(two_racks(), Policy(mode="layer2"), placed(speakers=["a1"]), frozenset()) == PeerEdits()


def test_the_index_by_label_agrees_with_a_plain_look_at_every_node() -> None:
    nodes = openelb.Nodes(two_racks().nodes, (KEY, "true"), frozenset({"a1", "b1"}), frozenset(NAMES))
    for raw in (rack("r1"), hostnames("a1", "b2"), {"matchLabels": {"rack": "none"}}, {"matchLabels": {KEY: "true"}}):
        parsed = peer("x", "10.0.0.9", raw).selector
        assert nodes.select(parsed) == {name for name, labels in nodes.labels.items() if selects(parsed, labels)}
    assert nodes.select(None) == nodes.select(LabelSelector()) == set(nodes.labels)


def test_a_patch_replaces_the_selector_under_a_test_of_the_old_one() -> None:
    (change,) = edits(one(rack("r1")), placed(("a1", "leaf-1"), speakers=["a2"])).late
    assert isinstance(change, Patch)
    assert change.body == [
        {"op": "test", "path": "/spec/nodeSelector", "value": rack("r1")},
        {"op": "replace", "path": "/spec/nodeSelector", "value": hostnames("a1")},
    ]


def test_a_bgppeer_that_is_down_or_parked_is_none_of_a_router_s() -> None:
    down = replace(peer("leaf-0", "10.0.0.1"), off=True)
    found = cluster(NODES, [router(1, "leaf-1", rack("r1"))], [down, peer("leaf-1", "10.0.0.1", rack("r1"))])
    result = edits(found, placed(("a1", "leaf-1")))
    assert {getattr(change, "name", None) for change in (*result.early, *result.late)} == {"leaf-1"}


def test_a_created_bgppeer_takes_no_name_of_one_that_cannot_be_read() -> None:
    found = cluster(NODES, [router(1)], running=["a1"], settings={"passedOver": {"leaf-1": ""}})
    assert edits(found, placed(("a1", "leaf-1"))).names == {"leaf-1": "leaf-1-2"}


def test_no_second_bgppeer_is_created_beside_one_that_cannot_be_read() -> None:
    found = cluster(NODES, [router(1)], running=["a1"], settings={"passedOver": {"odd": "10.0.0.1"}})
    with pytest.raises(InputError, match="router leaf-1: BgpPeer odd has its address, but cannot be read: mend it"):
        edits(found, placed(("a1", "leaf-1")))


def test_an_object_without_an_address_is_not_removable() -> None:
    for spec in ({}, {"conf": None}, None):
        assert not openelb.removable({"metadata": {"name": "odd"}, "spec": spec})

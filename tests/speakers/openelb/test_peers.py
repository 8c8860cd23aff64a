from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.kube.changes import Create, Delete, Patch, apply_changes, objects_of
from optimizer.kube.selectors import selects
from optimizer.model import RACK_LABEL, Cluster, LabelSelector, Paths, Placement, Policy
from optimizer.plan.hazards import change_hazards, hazards
from optimizer.plan.restarts import ANNOTATION
from optimizer.plan.steps import labelled_for_now, make_plan
from optimizer.speakers import PRODUCTS
from optimizer.speakers.openelb import OpenELB
from optimizer.speakers.openelb import peers as openelb
from optimizer.speakers.openelb.paths import paths
from optimizer.speakers.product import PeerEdits, Product
from tests.exports.export_inputs import (
    HOSTNAME,
    KEY,
    POLICY,
    TWO_RACKS,
    cluster,
    daemonset,
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


def test_openelb_is_a_product() -> None:
    product: Product = OpenELB()
    assert PRODUCTS[product.name].title == "OpenELB"
    assert product.paths(two_racks(), placed()) == paths(two_racks(), placed())


def test_hazard_of_a_template_that_an_export_edits() -> None:
    (sentence,) = hazards(two_racks(), POLICY, TWO_RACKS)
    assert f"openelb-speaker does not ask for the label {KEY}=true yet, so an export changes its template" in sentence
    assert "taints alone keep no speaker off" in sentence
    assert sentence.endswith(
        "restarted in 2 rounds, and 1 router with no session to spare, such as leaf-2, is one short meanwhile"
    )
    both = hazards(two_racks(running=["a1", "a2", "b1", "b2"]), POLICY, TWO_RACKS)[0]
    assert both.endswith("and 2 routers with no session to spare, such as leaf-1, are one short meanwhile")
    spare = hazards(two_racks(), Policy(speakers_per_router=1), TWO_RACKS)[0]
    assert spare.endswith("in 2 rounds while those that leave still run, and every router has its sessions meanwhile")
    asking = cluster(NODES, pod={"nodeSelector": {KEY: "true"}})
    assert hazards(asking, POLICY, placed(speakers=["a1"])) == ()


def test_hazard_of_layer2_beside_bgppeers() -> None:
    edit, peers = hazards(two_racks(), Policy(mode="layer2"), placed(speakers=["a1", "b1"]))
    assert edit.endswith("restarted in 2 rounds, one at a time")
    assert peers.endswith("2 BgpPeers: to stop speakers for the mode layer2 also closes their BGP sessions")


def test_hazard_of_a_daemonset_that_is_updated_by_hand() -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({}, updateStrategy={"type": "OnDelete"})
    by_hand = replace(found, speaker=replace(found.speaker, manifest=manifest))
    assert "keep the old template until their pods go" in hazards(by_hand, POLICY, TWO_RACKS)[0]


@pytest.mark.parametrize("edited", [False, True])
def test_hazard_of_a_daemonset_that_an_earlier_change_has_left_held(edited: bool) -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({"nodeSelector": {KEY: "true"}} if edited else {}, updateStrategy={"type": "OnDelete"})
    manifest["metadata"]["annotations"] = {ANNOTATION: '{"type": "RollingUpdate"}'}
    held = replace(found, speaker=replace(found.speaker, manifest=manifest))
    *more, sentence = hazards(held, POLICY, TWO_RACKS)
    assert sentence.startswith("DaemonSet openelb-system/openelb-speaker was left held by an earlier change")
    # It is no DaemonSet that somebody updates by hand: its speakers are restarted.
    assert ["restarted in 2 rounds" in each for each in more] == ([] if edited else [True])


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


# Hazards and paths.


def test_hazard_of_two_bgppeers_with_one_address_names_both() -> None:
    found = cluster(NODES, [router(1, "one")], [peer("one", "10.0.0.1"), peer("two", "10.0.0.1", rack("r1"))])
    sentence, *_ = hazards(found, POLICY, placed(("a1", "leaf-1")))
    assert "one and two have one address, 10.0.0.1" in sentence


def test_hazard_of_rack_labels_without_as_per_rack() -> None:
    found = cluster([node("a1", **{RACK_LABEL: "r1"}), node("a2")])  # type: ignore[arg-type]
    sentence, _ = hazards(found, POLICY, placed(speakers=["a1"]))
    assert sentence.startswith(f"1 nodes carry the label {RACK_LABEL}, which has no effect")


def test_hazard_of_nodes_without_a_rack_label_under_as_per_rack() -> None:
    found = cluster([node("a1", **{RACK_LABEL: "r1"}), node("a2")], as_per_rack={"r1": 65000})  # type: ignore[arg-type]
    sentence, _ = hazards(found, POLICY, placed(speakers=["a1"]))
    assert "1 of 2 nodes lack the label" in sentence
    assert "a2" in sentence


def test_export_hazards_tell_what_restarts_and_whose_pods_stay_away() -> None:
    tolerant = daemonset({"tolerations": [{"operator": "Exists"}]}, "tolerant")
    found = two_racks(daemonsets=(tolerant, daemonset({}, "logs")))
    steps = make_plan(found, POLICY, TWO_RACKS, "taints")
    restart, alone, others = change_hazards(found, POLICY, TWO_RACKS, steps, "taints")
    assert restart.endswith(
        "changes: its speakers that stay are restarted in 2 rounds, and 1 router with no session to spare, "
        "such as leaf-2, is one short meanwhile"
    )
    assert "taints alone keep no speaker off" in alone
    assert others.startswith(f"1 DaemonSets do not tolerate {KEY}=true:NoSchedule")
    assert others.endswith(": openelb-system/logs")


def test_export_hazards_of_affinity_with_helm_and_of_bgppeer_edits() -> None:
    found = one(None)
    placement = placed(("a1", "leaf-1"), speakers=["a2"])
    steps = make_plan(found, POLICY, placement, "affinity", edits(found, placement))
    told = change_hazards(found, POLICY, placement, steps, "affinity")
    assert ["1 BgpPeers are edited" in told[1], "helm template" in OpenELB.helm_hazards["affinity"]] == [True, True]


def test_paths_count_every_node_without_racks() -> None:
    placement = placed(("a1", "leaf-1"), ("a2", "leaf-1"), ("b1", "leaf-2"))
    # Three sessions of rack 1 and two of rack 2 today, five nodes in all.
    assert paths(two_racks(), placement) == (Paths("leaf-1", 15, 10), Paths("leaf-2", 10, 5))


def test_paths_count_the_nodes_of_the_rack_under_as_per_rack() -> None:
    labels = [("a1", "r1"), ("a2", "r1"), ("a3", "r1"), ("b1", "r2")]
    nodes = [node(name, **{RACK_LABEL: value}) for name, value in labels] + [node("c1")]  # type: ignore[arg-type]
    found = cluster(nodes, [router(1, "p")], [peer("p", "10.0.0.1")], as_per_rack={"r1": 1, "r2": 2})
    # Today 3 + 3 + 3 + 1, and the one without a rack announces all five.
    assert paths(found, placed(("a1", "leaf-1"), ("b1", "leaf-1"))) == (Paths("leaf-1", 15, 4),)


def test_a_patch_replaces_the_selector_under_a_test_of_the_old_one() -> None:
    (change,) = edits(one(rack("r1")), placed(("a1", "leaf-1"), speakers=["a2"])).late
    assert isinstance(change, Patch)
    assert change.body == [
        {"op": "test", "path": "/spec/nodeSelector", "value": rack("r1")},
        {"op": "replace", "path": "/spec/nodeSelector", "value": hostnames("a1")},
    ]

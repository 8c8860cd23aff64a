"""The label that marks the speakers already, in the DaemonSet and in peer objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from optimizer.inputs.routers import with_topology
from optimizer.inputs.speaker_label import own_labels
from optimizer.inputs.topology import parse_topology
from optimizer.model import (
    Cluster,
    LabelSelector,
    Node,
    NodeSelectorTerm,
    Peer,
    Policy,
    Requirement,
    Resources,
    Speaker,
    SpeakerNeeds,
    Today,
)

LB = "lb.example.com/speaker"
NODES = (Node("n1", {LB: ""}), Node("n2", {LB: "x"}), Node("n3", {LB: "x"}), Node("n4"))


def speaker(selector: Mapping[str, str] | None = None, *terms: Sequence[Requirement]) -> Speaker:
    found = tuple(NodeSelectorTerm(tuple(term)) for term in terms)
    return Speaker("lb", "s", selector or {}, found or None, (), Resources(), True, {})


def is_in(*values: str) -> Requirement:
    return Requirement(LB, "In", values)


EXISTS, LINUX = Requirement(LB, "Exists"), Requirement("kubernetes.io/os", "In", ("linux",))


@pytest.mark.parametrize(
    ("found", "labels"),
    [
        (speaker(), {}),
        (speaker({LB: "true", "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": "a"}), {LB: "true"}),
        (speaker({"node-role.kubernetes.io/worker": "", "node.kubernetes.io/instance-type": "m"}), {}),
        (
            speaker({"beta.kubernetes.io/arch": "amd64", "node-restriction.kubernetes.io/lb": "1"}),
            {"node-restriction.kubernetes.io/lb": "1"},
        ),
        (speaker(None, [EXISTS, LINUX]), {LB: "x"}),
        (speaker(None, [is_in("a", "b")]), {LB: "a"}),
        (speaker(None, [is_in("a", "")]), {LB: ""}),
        (speaker(None, [is_in("a", "b"), LINUX], [is_in("b", "c")]), {LB: "b"}),
        (speaker(None, [is_in("a")], [is_in("b")]), {}),
        (speaker(None, [EXISTS], [is_in("b")]), {LB: "b"}),
        # One way in does without it.
        (speaker(None, [EXISTS], [LINUX]), {}),
        (speaker(None, [Requirement(LB, "NotIn", ("a",))]), {}),
        (speaker(None, [Requirement(LB, "DoesNotExist")]), {}),
    ],
)
def test_the_labels_that_a_daemonset_asks_for(found: Speaker, labels: dict[str, str]) -> None:
    assert own_labels(found, NODES) == labels


def test_a_label_that_no_node_carries_is_to_be_true() -> None:
    assert own_labels(speaker(None, [EXISTS]), [Node("n")]) == {LB: "true"}


RACK = {"rack": "r1"}


def cluster(labels: Mapping[str, str], running: Sequence[str], found: Speaker | None = None) -> Cluster:
    """Four nodes of a rack, two of them marked, and a peer object that asks for the labels."""
    nodes = [
        Node(name, {**RACK, **({LB: "true"} if name in ("n1", "n2") else {})}) for name in ("n1", "n2", "n3", "n4")
    ]
    peers = (Peer("leaf", "10.0.0.1", 65001, LabelSelector(labels), {}),)
    return Cluster(tuple(nodes), peers=peers, speaker=found, today=Today(tuple(running)), product="openelb")


def told(found: Cluster, topology: Mapping[str, object] | None = None, policy: Policy | None = None) -> list[str]:
    seen = with_topology(found, parse_topology(topology or {}, "t"), policy or Policy())
    return [each.sentence for each in seen.warnings if each.rule == "peers-by-speaker-label"]


MARK = {LB: "true", **RACK}


def test_peer_objects_that_select_by_the_mark_are_reported() -> None:
    sentence = (
        "BgpPeer leaf selects nodes by {}=true, {}: only the 2 nodes that carry it count as attached, so no other node "
        "can be proposed; name the attached nodes in a topology file, or select by another label in the BgpPeer, such "
        "as that of the rack"
    )
    exactly = "a label that the nodes with a speaker carry, and no others"
    assert told(cluster(MARK, ["n1", "n2"])) == [sentence.format(LB, exactly)]
    asked = "the label by which the DaemonSet selects its nodes"
    assert told(cluster(MARK, ["n1"], speaker({LB: "true"}))) == [sentence.format(LB, asked)]
    managed = Policy(speaker=SpeakerNeeds(label=(LB, "true")))
    assert told(cluster(MARK, []), policy=managed) == [sentence.format(LB, "the label that marks speakers")]


@pytest.mark.parametrize("names", [("leaf",), ("leaf", "spine")])
def test_one_node_and_several_peer_objects_are_counted_in_good_english(names: tuple[str, ...]) -> None:
    given = cluster({LB: "other"}, ["n1"], speaker({LB: "other"}))
    one = replace(given.nodes[0], labels={LB: "other"})
    peers = [replace(given.peers[0], name=name, address=f"10.0.0.{at}") for at, name in enumerate(names, 1)]
    (sentence,) = told(replace(given, nodes=(one, *given.nodes[1:]), peers=tuple(peers)))
    whose = "BgpPeer leaf selects nodes" if len(names) == 1 else "2 BgpPeers, such as leaf, select nodes"
    assert sentence.startswith(whose)
    assert "only the 1 node that carries it counts as attached" in sentence
    assert ("label in the BgpPeer," if len(names) == 1 else "label in the BgpPeers,") in sentence


def test_peer_objects_that_ask_for_the_mark_of_whatever_value_are_reported() -> None:
    given = cluster({}, ["n1", "n2"])
    any_value = replace(given, peers=(replace(given.peers[0], selector=LabelSelector({}, (EXISTS,))),))
    (sentence,) = told(any_value)
    assert f"selects nodes by {LB}, a label that the nodes with a speaker carry, and no others: only the 2" in sentence
    assert told(replace(any_value, today=Today(("n1",)))) == []


def test_other_selectors_are_not() -> None:
    assert told(cluster(MARK, ["n1", "n2", "n3"])) == []
    assert told(cluster(RACK, ["n1", "n2", "n3", "n4"])) == []
    assert told(cluster(MARK, [])) == []
    attached = {"attachments": [["n1", "leaf"], ["n3", "leaf"]]}
    assert told(cluster(MARK, ["n1", "n2"]), attached) == []


@pytest.mark.parametrize("suffix", ["lb", "router", "worker", "control-plane", "master", "node"])
def test_roles_that_nobody_but_the_operator_sets_are_own_labels(suffix: str) -> None:
    key = f"node-role.kubernetes.io/{suffix}"
    assert own_labels(speaker({key: ""}), NODES) == ({key: ""} if suffix in ("lb", "router") else {})

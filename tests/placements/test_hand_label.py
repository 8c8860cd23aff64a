"""A label of somebody's own in the DaemonSet is named, with the option that manages it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.findings import Finding
from optimizer.model import Cluster, Node, Policy, Resources, Speaker, SpeakerNeeds, Today
from optimizer.placements.optimize import optimize
from tests.builders import cluster_of

LB = "lb.example.com/speaker"


def cluster(running: tuple[str, ...] = ("n1",), **selector: Any) -> Cluster:
    """Five nodes of a router, one of them with the label, one cordoned, one without room."""
    nodes = [
        Node("n1", {LB: "true"}),
        Node("n2"),
        Node("n3"),
        Node("n4", unschedulable=True),
        Node("n5", allocatable=Resources(1, 1, 0)),
    ]
    found = cluster_of({"leaf": [node.name for node in nodes]}, nodes)
    asked = selector.get("selector", {LB: "true"})
    speaker = Speaker("lb", "s", asked, None, (), Resources(10, 10), True, manifest(asked))
    return replace(found, speaker=speaker, today=Today(running, {"leaf": running}))


def manifest(selector: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "lb"}
    spec = {"template": {"spec": {"nodeSelector": selector}}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}


def found(given: Cluster, policy: Policy, rule: str) -> list[Finding]:
    return [each for each in optimize(given, policy).warnings if each.rule == rule]


def test_the_option_is_named_with_what_it_would_win() -> None:
    sentence = (
        f"DaemonSet lb/s runs only on nodes with the label {LB}, which 4 nodes lack: where it is what marks the "
        f"speakers, and not a pool of nodes, --speaker-label {LB}=true manages it, and 2 more nodes are eligible"
    )
    assert found(cluster(), Policy(), "hand-label") == [Finding("hand-label", sentence, "DaemonSet lb/s")]
    assert optimize(cluster(), Policy()).status == "infeasible"
    managed = Policy(speaker=SpeakerNeeds(label=(LB, "true")))
    assert found(cluster(), managed, "hand-label") == []
    placement = optimize(cluster(), managed)
    assert (placement.speakers, placement.eligible) == (("n1", "n2"), 3)


@pytest.mark.parametrize("selector", [{}, {"kubernetes.io/os": "linux"}, {"bgp-speakers/speaker": "true", LB: "true"}])
def test_there_is_nothing_to_say_of_others(selector: dict[str, str]) -> None:
    assert found(cluster(selector=selector), Policy(), "hand-label") == []


def test_a_label_that_every_node_carries_marks_nothing() -> None:
    given = cluster()
    nodes = tuple(replace(node, labels={LB: "true"}) for node in given.nodes)
    assert found(replace(given, nodes=nodes), Policy(), "hand-label") == []


def test_a_label_by_which_no_further_node_would_be_eligible_is_not_proposed() -> None:
    """With two labels of somebody's own, a node that lacks both is still not selected by the other one."""
    given = cluster(selector={LB: "true", "pool": "edge"})
    nodes = [replace(node, labels={**node.labels, "pool": "edge"}) for node in given.nodes[:2]]
    assert found(replace(given, nodes=(nodes[0], *given.nodes[1:])), Policy(), "hand-label") == []
    (told,) = found(replace(given, nodes=(*nodes, *given.nodes[2:])), Policy(), "hand-label")
    assert f"--speaker-label {LB}=true manages it, and 1 more node is eligible" in told.sentence


def test_routers_that_are_short_today_are_named() -> None:
    managed = Policy(speaker=SpeakerNeeds(label=(LB, "true")))
    (short,) = found(cluster(), managed, "router-short-today")
    assert short == Finding(
        "router-short-today", "1 router has fewer sessions today than asked for: leaf (1 of 2)", "router leaf"
    )
    assert found(cluster(("n1", "n2")), managed, "router-short-today") == []
    assert found(cluster(()), managed, "router-short-today") == []

"""Routers that ask for no session: `minSpeakers: 0`."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from optimizer.model import Cluster, Node, NodeRules, Peering, Policy, Router, Session, Survive, Today
from optimizer.placements.optimize import optimize
from tests.builders import cluster_of, goal_values

OFF = Router("off", min_speakers=0)


def rules_of(cluster: Cluster, policy: Policy) -> set[str]:
    return {each.rule for each in optimize(cluster, policy).warnings}


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_no_session_is_needed_and_no_domain_need_be_survived(peering: Peering) -> None:
    nodes = [Node(name, domains={"rack": "r1"}) for name in ("n1", "n2", "n3")]
    cluster = cluster_of({"off": ["n1", "n2"], "on": ["n2", "n3", "n4"]}, nodes, [OFF, Router("on")])
    placement = optimize(cluster, Policy(peering=peering, survive=(Survive("rack"),)))
    assert [session.router for session in placement.sessions] == ["on", "on"]
    assert "n4" in placement.speakers


def test_sessions_with_it_exist_and_count_where_a_speaker_peers_with_all() -> None:
    cluster = cluster_of({"off": ["n1", "n2"], "on": ["n1", "n2"]}, routers=[OFF, Router("on")])
    assert goal_values(optimize(cluster, Policy()).objectives)["sessions"] == 4
    chosen = optimize(cluster, Policy(peering="selected"))
    assert chosen.sessions == (Session("n1", "on"), Session("n2", "on"))


def test_its_limit_holds() -> None:
    routers = [replace(OFF, max_sessions=1), Router("on")]
    cluster = cluster_of({"off": ["n1", "n2", "n3"], "on": ["n1", "n2", "n3", "n4"]}, routers=routers)
    assert "n4" in optimize(cluster, Policy()).speakers
    (found,) = optimize(cluster, Policy(nodes=NodeRules(pin=("n1", "n2")))).diagnosis
    assert found.rules == ("off accepts at most 1 session", "the pinned nodes run a speaker")


@pytest.mark.parametrize("running", [(), ("n1",)])
def test_where_no_router_asks_there_is_no_speaker_but_a_pinned_one(running: tuple[str, ...]) -> None:
    cluster = replace(cluster_of({"off": ["n1", "n2"]}, routers=[OFF]), today=Today(running, {"off": running}))
    for policy in (Policy(), Policy(best_effort=True), Policy(max_moves=1), Policy(peering="selected")):
        assert optimize(cluster, policy).speakers == ()
        pinned = optimize(cluster, replace(policy, nodes=NodeRules(pin=("n2",)), max_moves=None))
        assert pinned.speakers == ("n2",)


def test_nothing_is_said_of_a_router_that_is_left_out() -> None:
    # No node at all, one node only, one rack only.
    nodes = [Node(name, domains={"rack": "r1"}) for name in ("n1", "n2")]
    for attached in ([], ["n1"], ["n1", "n2"]):
        cluster = cluster_of({"r": attached, "on": ["n1", "n2", "n3"]}, nodes)
        asking = rules_of(cluster, Policy(best_effort=True))
        left_out = rules_of(replace(cluster, routers=(Router("on"), Router("r", min_speakers=0))), Policy())
        assert asking & {"router-unreachable", "router-on-one-node", "router-on-one-domain"}
        assert left_out == set()


def test_a_router_that_nobody_reaches_can_be_left_out_and_it_is_said_how() -> None:
    cluster = cluster_of({"far": [], "near": ["n1", "n2"]})
    (found,) = optimize(cluster, Policy()).diagnosis
    assert found.routers == ("far",)
    assert found.change.endswith("or leave far out with minSpeakers: 0 in the topology file")
    cordoned = [Node("n9", unschedulable=True)]
    (found,) = optimize(
        cluster_of({"far": ["n9"], "near": ["n1", "n2"]}, cordoned), Policy(speakers_per_router=1)
    ).diagnosis
    assert found.change == "make eligible: n9 (cordoned), or leave far out with minSpeakers: 0 in the topology file"
    (found,) = optimize(cluster_of({"far": ["n1"]}), Policy()).diagnosis
    assert "minSpeakers" not in found.change
    (warning,) = optimize(cluster, Policy(best_effort=True)).warnings
    assert "minSpeakers: 0 in the topology file leaves it out" in warning.sentence
    assert optimize(replace(cluster, routers=(Router("far", min_speakers=0), Router("near"))), Policy()).warnings == ()


def test_layer_2_knows_no_routers_to_leave_out() -> None:
    (found,) = optimize(cluster_of({"far": []}), Policy(mode="layer2")).diagnosis
    assert "minSpeakers" not in found.change

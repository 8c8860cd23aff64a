"""Best effort: the least is missing, and nothing gets worse than today."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from optimizer.checks.placement import check_placement
from optimizer.model import (
    Cluster,
    LabelSelector,
    Node,
    NodeRules,
    Peering,
    Policy,
    Resources,
    Shortfall,
    Survive,
    Today,
)
from optimizer.placements.optimize import optimize
from tests.builders import cluster_of, goal_values

SPOT = LabelSelector({"pool": "spot"})


def running(cluster: Cluster, *names: str) -> Cluster:
    """The cluster with a speaker on each of the nodes, peering with all that it is attached to."""
    sessions = {router: tuple(n for n in nodes if n in names) for router, nodes in cluster.attachments.items()}
    return replace(cluster, today=Today(tuple(sorted(names)), sessions))


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_speakers_on_cordoned_nodes_stay_where_nothing_replaces_them(peering: Peering) -> None:
    nodes = [Node(name, unschedulable=True) for name in ("a1", "a2")]
    cluster = running(cluster_of({"a": ["a1", "a2"], "b": ["b1", "b2"]}, nodes), "a1", "a2", "b1", "b2")
    placement = optimize(cluster, Policy(peering=peering, best_effort=True))
    assert placement.speakers == ("a1", "a2", "b1", "b2")
    assert placement.shortfalls == ()
    values = goal_values(placement.objectives)
    assert (values["worsened"], values["shortfall"], values["retained"]) == (0, 0, 2)
    assert any("stay on 2 nodes that are not eligible" in warning for warning in map(str, placement.warnings))


def test_a_cordoned_speaker_goes_where_another_node_can_take_over() -> None:
    cluster = running(cluster_of({"a": ["a1", "a2", "a3"]}, [Node("a1", unschedulable=True)]), "a1", "a2")
    placement = optimize(cluster, Policy(best_effort=True))
    assert placement.speakers == ("a2", "a3")


def test_a_full_node_keeps_the_speaker_that_runs_there() -> None:
    full = Node("a1", allocatable=Resources(100, 2**30, 5), requested=Resources(90, 0, 4))
    cluster = running(cluster_of({"a": ["a1", "a2"]}, [full]), "a1", "a2")
    assert optimize(cluster, Policy()).status == "infeasible"
    assert optimize(cluster, Policy(best_effort=True)).speakers == ("a1", "a2")


@pytest.mark.parametrize("against", ["banned", "excluded", "not Ready", "deleting", "in trouble"])
def test_a_speaker_that_nobody_can_count_on_does_not_stay(against: str) -> None:
    node = Node("a1", labels={"pool": "spot"}, ready=against != "not Ready", deleting=against == "deleting")
    if against == "in trouble":
        node = replace(node, troubles=("about to be removed (karpenter.sh/disrupted)",), unschedulable=True)
    rules = NodeRules(ban=("a1",) if against == "banned" else ())
    if against == "excluded":
        rules = replace(rules, exclude=(SPOT,))
    cluster = running(cluster_of({"a": ["a1", "a2"]}, [node]), "a1", "a2")
    placement = optimize(cluster, Policy(best_effort=True, nodes=rules))
    assert placement.speakers == ("a2",)
    assert placement.shortfalls == (Shortfall("a", "redundancy", 1),)


def test_a_speaker_stays_where_another_pod_has_come_to_hold_its_port() -> None:
    cluster = running(cluster_of({"a": ["a1", "a2"]}, [Node("a1", taken=("TCP 50051",))]), "a1", "a2")
    assert optimize(cluster, Policy()).status == "infeasible"
    assert optimize(cluster, Policy(best_effort=True)).speakers == ("a1", "a2")


def test_no_router_loses_a_session_so_that_another_gains_one() -> None:
    # One move is allowed: taking n2 from a to serve b would help b and hurt a.
    cluster = running(cluster_of({"a": ["n1", "n2"], "b": ["n3", "n4"]}), "n1", "n2")
    placement = optimize(cluster, Policy(best_effort=True, max_moves=1))
    assert {"n1", "n2"} < set(placement.speakers)
    assert goal_values(placement.objectives)["worsened"] == 0


def test_a_false_claim_of_not_having_worsened_is_found_out() -> None:
    cluster = running(cluster_of({"a": ["a1", "a2"]}, [Node("a1", unschedulable=True)]), "a1", "a2")
    policy = Policy(best_effort=True, survive=(Survive("zone"),))
    honest = optimize(cluster, policy)
    assert check_placement(cluster, policy, honest) == ()
    goals = tuple(replace(goal, value=7, bound=7) if goal.name == "worsened" else goal for goal in honest.objectives)
    assert check_placement(cluster, policy, replace(honest, objectives=goals)) == (
        "objective worsened is given as 7, it is 0",
    )

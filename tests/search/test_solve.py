"""The solver against closed forms and against trying everything."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.model import Cluster, Node, Policy, Router, Survive, Today
from optimizer.placements.optimize import optimize
from optimizer.search.problem import shape
from optimizer.search.reduce import reduce
from optimizer.search.solve import solve
from tests.builders import cluster_of, dual_tor, goal_values, single_tor
from tests.instances import problems
from tests.search.brute_force import best_values


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_every_goal_agrees_with_trying_all_placements(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem
    best = best_values(cluster, policy)
    placement = optimize(cluster, policy)
    if best is None:
        assert placement.status == "infeasible"
        assert placement.diagnosis
    else:
        assert placement.status == "optimal"
        assert tuple(goal.value for goal in placement.objectives) == best
        assert tuple(goal.bound for goal in placement.objectives) == best


@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_single_homed_racks_need_k_sessions_each(wanted: int) -> None:
    # Every router needs k sessions, and no speaker serves two routers: k x racks, with as many speakers.
    placement = optimize(single_tor(racks=7, size=6), Policy(speakers_per_router=wanted))
    assert placement.status == "optimal"
    assert goal_values(placement.objectives)["sessions"] == wanted * 7
    assert goal_values(placement.objectives)["speakers"] == wanted * 7


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_dual_tor_pairs_share_their_speakers(peering: str) -> None:
    # A speaker serves both ToRs of its rack: 2 sessions for each of 2 routers from 2 speakers a rack.
    policy = Policy(peering=peering, survive=(Survive("chassis"), Survive("rack")))  # type: ignore[arg-type]
    placement = optimize(dual_tor(racks=5, size=20), policy)
    assert placement.status == "optimal"
    assert goal_values(placement.objectives)["sessions"] == 2 * 2 * 5
    assert goal_values(placement.objectives)["speakers"] == 2 * 5
    domains = {name: int(name[-3:]) // 10 for name in placement.speakers}
    for rack in range(5):
        assert {domains[name] for name in placement.speakers if name.startswith(f"node-{rack:04d}")} == {0, 1}


def test_five_thousand_nodes_in_dual_tors_are_proved() -> None:
    placement = optimize(dual_tor(racks=125, size=40), Policy(survive=(Survive("chassis"),)))
    assert placement.status == "optimal"
    assert goal_values(placement.objectives)["sessions"] == 500


def test_components_of_one_shape_are_solved_once() -> None:
    told: list[object] = []
    problem = reduce(dual_tor(racks=9, size=20), Policy())
    answers = solve(problem, told.append)
    assert len(answers) == 9
    assert [line for line in told if str(line).startswith("solved")] == ["solved 1 of 9 components"]
    assert len({shape(component) for component, _ in answers}) == 1


def test_shapes_tell_apart_what_a_rule_sees() -> None:
    plain = reduce(single_tor(2, 3), Policy()).components
    assert shape(plain[0]) == shape(plain[1])
    limited = cluster_of({"a": ["n1", "n2"], "b": ["n3", "n4"]}, routers=[Router("a", max_sessions=2)])
    parts = reduce(limited, Policy()).components
    assert shape(parts[0]) != shape(parts[1])


def test_goals_are_strict_fewer_sessions_even_where_moves_rise() -> None:
    # Today three speakers run under the router; the third goes although that is a move.
    cluster = cluster_of({"r": ["n1", "n2", "n3"]})
    today = Today(("n1", "n2", "n3"), {"r": ("n1", "n2", "n3")})
    cluster = Cluster(cluster.nodes, cluster.routers, cluster.attachments, today=today)
    placement = optimize(cluster, Policy())
    assert goal_values(placement.objectives) == {"sessions": 2, "speakers": 2, "moves": 1, "sessionMoves": 0, "cost": 0}
    keep = optimize(cluster, Policy(goals=("moves", "sessions")))
    assert goal_values(keep.objectives) == {"moves": 0, "sessions": 3}


def test_the_budget_of_moves_links_components() -> None:
    # Two routers with a third speaker each: a budget of one stop lets only one of them shed its third.
    cluster = cluster_of({"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]})
    every = tuple(node.name for node in cluster.nodes)
    today = Today(every, {"a": every[:3], "b": every[3:]})
    cluster = Cluster(cluster.nodes, cluster.routers, cluster.attachments, today=today)
    assert goal_values(optimize(cluster, Policy(max_moves=1)).objectives)["sessions"] == 5
    assert goal_values(optimize(cluster, Policy(max_moves=2)).objectives)["sessions"] == 4


def test_a_full_router_takes_new_sessions_only_where_a_break_is_allowed() -> None:
    cluster = cluster_of({"r": ["n1", "n2", "n3"]}, [Node("n1", unschedulable=True)], [Router("r", max_sessions=2)])
    today = Today(("n1", "n2"), {"r": ("n1", "n2")})
    cluster = Cluster(cluster.nodes, cluster.routers, cluster.attachments, today=today)
    assert optimize(cluster, Policy()).status == "infeasible"
    assert optimize(cluster, Policy(allow_break=True)).speakers == ("n2", "n3")


def test_same_input_gives_the_same_answer() -> None:
    cluster = dual_tor(racks=3, size=20)
    policy = Policy(peering="selected", survive=(Survive("chassis"),))
    assert optimize(cluster, policy) == optimize(cluster, policy)

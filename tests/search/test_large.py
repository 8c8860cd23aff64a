"""Large components: the covering program and the sessions after it give what one CP-SAT model of the whole gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from benchmarks.irregular import irregular
from optimizer.checks.placement import check_placement
from optimizer.model import Cluster, Node, Peering, Policy, Router, Survive, Today
from optimizer.placements.optimize import optimize
from optimizer.progress import silent
from optimizer.search.clock import Clock
from optimizer.search.cp_sat_model import ComponentModel
from optimizer.search.goals import goal_names
from optimizer.search.large import solve_large
from optimizer.search.lexicographic import minimize_in_order
from optimizer.search.reduce import reduce
from optimizer.search.solve import LARGE, solve_component
from tests.instances import problems
from tests.search.large_instances import large_problems


def agree(cluster: Cluster, policy: Policy) -> int:
    """How many of the components the large way takes, after a check that both ways prove the same values."""
    problem = reduce(cluster, policy)
    names, taken = goal_names(policy), 0
    for component in problem.components if not policy.best_effort else ():
        whole = minimize_in_order(ComponentModel(component, policy, problem.survive), names, (), Clock(60), silent)
        large = solve_large(component, policy, problem.survive, names, Clock(60), silent)
        if large is not None:
            assert large.objectives == whole.objectives
            taken += 1
    return taken


@settings(max_examples=150, deadline=None)
@given(problems())
def test_small_problems_taken_as_large(problem: tuple[Cluster, Policy]) -> None:
    agree(*problem)


@settings(max_examples=60, deadline=None)
@given(large_problems())
def test_middling_problems_taken_as_large(problem: tuple[Cluster, Policy]) -> None:
    agree(*problem)


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_an_irregular_network_is_taken_and_proved(peering: Peering) -> None:
    instance = irregular(160, peering)
    assert agree(instance.cluster, instance.policy) == 1
    problem = reduce(instance.cluster, instance.policy)
    assert len(problem.components[0].classes) > LARGE
    assert optimize(instance.cluster, instance.policy) == optimize(instance.cluster, instance.policy)
    told: list[object] = []
    answer = solve_component(problem.components[0], instance.policy, problem.survive, Clock(60), told.append)
    assert all(goal.value == goal.bound for goal in answer.objectives)
    assert told


def test_a_rule_holds_also_where_none_of_the_domain_is_chosen() -> None:
    # Both routers stand in rack a like all nodes but n9, and must keep 3 sessions when rack b fails: without n9 that
    # is 3 sessions each, though one would be enough otherwise.
    nodes = (*(Node(f"n{i}", domains={"rack": "a"}) for i in range(4)), Node("n9", domains={"rack": "b"}))
    names = tuple(node.name for node in nodes)
    routers = tuple(Router(name, domains={"rack": "a"}) for name in ("r1", "r2"))
    cluster = Cluster(nodes=nodes, routers=routers, attachments={router.name: names for router in routers})
    policy = Policy(
        speakers_per_router=1, peering="selected", survive=(Survive("rack", 3),), goals=("sessions", "speakers")
    )
    assert agree(cluster, policy) == 1


def test_the_end_of_the_time_loses_no_answer_that_is_known() -> None:
    instance = irregular(300, "selected")
    running = tuple(node.name for node in instance.cluster.nodes)[::10]
    held = {
        router: tuple(name for name in names if name in running)
        for router, names in instance.cluster.attachments.items()
    }
    cluster = replace(instance.cluster, today=Today(running, held))
    policy = replace(instance.policy, goals=Policy().goals)
    problem = reduce(cluster, policy)
    answer = solve_large(problem.components[0], policy, problem.survive, goal_names(policy), Clock(0), silent)
    assert answer is not None
    assert answer.solution is not None
    assert [goal.name for goal in answer.objectives] == goal_names(policy)
    assert all(goal.bound <= goal.value for goal in answer.objectives)
    assert not check_placement(cluster, policy, optimize(cluster, replace(policy, time_limit=0.05)))

"""Large components: the covering program and the sessions after it give what one CP-SAT model of the whole gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from benchmarks.irregular import irregular
from optimizer.clock import Clock
from optimizer.constraints import Model
from optimizer.large import solve_large
from optimizer.model import Cluster, Peering, Policy
from optimizer.optimize import optimize
from optimizer.progress import silent
from optimizer.pursue import goal_names, pursue
from optimizer.reduce import reduce
from optimizer.solve import LARGE, solve_component

from .instances import problems
from .large_instances import large_problems


def agree(cluster: Cluster, policy: Policy) -> int:
    """How many of the components the large way takes, after a check that both ways prove the same values."""
    problem = reduce(cluster, policy)
    names, taken = goal_names(policy), 0
    for component in problem.components if not policy.best_effort else ():
        whole = pursue(Model(component, policy, problem.survive), names, (), Clock(60), silent)
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

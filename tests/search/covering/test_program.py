"""The covering program of a component against its CP-SAT model: the same choices keep the rules, at the same values."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from ortools.sat.python import cp_model

from optimizer.model import Cluster, Policy
from optimizer.search.clock import Clock
from optimizer.search.columns import columns_of
from optimizer.search.covering.program import covering_program
from optimizer.search.cp_sat_model import ComponentModel
from optimizer.search.cp_sat_search import FOUND, CpSatSearch
from optimizer.search.goals import goal_names, linear_goal
from optimizer.search.reduce import reduce
from tests.instances import problems
from tests.search.large_instances import large_problems


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems() | large_problems(), st.data())
def test_a_choice_keeps_the_rules_where_the_cp_sat_model_says_so(
    problem: tuple[Cluster, Policy], data: st.DataObject
) -> None:
    cluster, asked = problem
    policy = replace(asked, peering="all-attached", best_effort=False)
    reduced = reduce(cluster, policy)
    for component in reduced.components:
        covering = covering_program(component, policy, reduced.survive)
        x = tuple(data.draw(st.integers(0, len(each.names))) for each in component.classes)
        model = ComponentModel(component, policy, reduced.survive)
        goals = {name: model.goal(name) for name in goal_names(policy)}
        for variable, value in zip(model.variables, x, strict=True):
            model.cp.add(variable == value)
        search = CpSatSearch(model.cp, Clock(60))
        status = search.run()
        assert covering.keeps(x) == (status in FOUND)
        assert covering.keeps(x) or status == cp_model.INFEASIBLE
        if status in FOUND:
            for name, expression in goals.items():
                goal = linear_goal(name, component, columns_of(component, policy))
                assert goal.value(x) == search.solver.value(expression)

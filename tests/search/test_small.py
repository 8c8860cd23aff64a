"""The search for small components against enumeration and against CP-SAT, that it is used, and that it gives up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.model import GOALS, Cluster, Goal, Peering, Policy, Survive
from optimizer.progress import silent
from optimizer.search.branch_and_bound import Column, GaveUpError, Program, cheapest
from optimizer.search.clock import Clock
from optimizer.search.cp_sat_model import ComponentModel
from optimizer.search.goals import goal_names
from optimizer.search.lexicographic import minimize_in_order
from optimizer.search.problem import Component, NodeClass, RouterNeed, Traits
from optimizer.search.reduce import reduce
from optimizer.search.small import DEPTH, USES, solve_small
from optimizer.search.solve import solve
from tests.builders import dual_tor
from tests.instances import problems
from tests.search.large_instances import large_problems

CHASSIS = (Survive("chassis"),)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs of a few columns and groups, about half of which can be kept."""
    groups, rows, caps = draw(st.integers(1, 3)), draw(st.integers(0, 4)), draw(st.integers(0, 2))
    costs = st.lists(st.integers(0, 5), max_size=3)
    members = tuple(tuple(sorted(draw(costs))) for _ in range(groups))

    def some(most: int) -> tuple[int, ...]:
        return tuple(sorted(draw(st.sets(st.integers(0, most - 1))))) if most else ()

    columns = tuple(
        Column(draw(st.integers(0, groups - 1)), draw(st.integers(0, 5)), some(rows), some(caps))
        for _ in range(draw(st.integers(1, 5)))
    )
    return Program(
        members,
        columns,
        tuple(draw(st.integers(0, 3)) for _ in range(rows)),
        tuple(draw(st.integers(0, 3)) for _ in range(caps)),
    )


def cost(program: Program, x: tuple[int, ...]) -> int | None:
    """What a choice of columns costs; None where it breaks a rule."""
    used = Counter[int]()
    for column, number in zip(program.columns, x, strict=True):
        used[column.group] += number
    if any(used[group] > len(costs) for group, costs in enumerate(program.members)):
        return None
    pairs = list(zip(program.columns, x, strict=True))
    if any(sum(n for column, n in pairs if row in column.rows) < least for row, least in enumerate(program.rows)):
        return None
    if any(sum(n for column, n in pairs if cap in column.caps) > most for cap, most in enumerate(program.caps)):
        return None
    return sum(column.cost * n for column, n in pairs) + sum(
        sum(costs[: used[group]]) for group, costs in enumerate(program.members)
    )


@settings(max_examples=300, deadline=None)
@given(programs())
def test_the_search_agrees_with_trying_all_choices(program: Program) -> None:
    every = product(*(range(len(program.members[column.group]) + 1) for column in program.columns))
    best = min((found for x in every if (found := cost(program, x)) is not None), default=None)
    taken = cheapest(program)
    assert (taken is None) == (best is None)
    if taken is not None:
        assert cost(program, tuple(taken.count(number) for number in range(len(program.columns)))) == best


def components(cluster: Cluster, policy: Policy) -> Iterator[tuple[Component, Policy, tuple[Survive, ...]]]:
    """The components of a problem, under a policy that the search takes."""
    plain = replace(policy, best_effort=False, max_moves=None)
    problem = reduce(cluster, plain)
    if problem.refusal is None:
        for component in problem.components:
            yield component, plain, problem.survive


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems() | large_problems())
def test_the_values_are_those_of_the_model_and_the_solution_reaches_them(problem: tuple[Cluster, Policy]) -> None:
    for component, policy, survive in components(*problem):
        found = solve_small(component, policy, survive)
        if found is None:
            continue
        model = ComponentModel(component, policy, survive)
        known = minimize_in_order(model, goal_names(policy), (), Clock(60), silent)
        assert found.objectives == known.objectives
        if found.solution is None:
            assert known.solution is None
            continue
        model = ComponentModel(component, policy, survive)
        for number, each in enumerate(component.classes):
            model.cp.add(model.variables[number] == found.solution.speakers[number])
            for router, count in zip(each.traits.routers, found.solution.sessions[number], strict=True):
                model.cp.add(model.variables[model.columns.sessions[number][router]] == count)
        assert minimize_in_order(model, goal_names(policy), (), Clock(60), silent).objectives == found.objectives


def rack(routers: int, sizes: tuple[int, ...] = (4, 4), needed: int = 2, runs: bool = False) -> Component:
    """A rack whose nodes are attached to all its routers: so many nodes of costs 0, 1, ... in each chassis."""
    names = tuple(f"tor-{number}" for number in range(routers))
    return Component(
        tuple(RouterNeed(name, needed) for name in names),
        tuple(
            NodeClass(
                Traits(names, (("chassis", f"c{at}"),), routers, own, runs, names if runs else (), False),
                (f"n{at}-{own}",),
            )
            for at, size in enumerate(sizes)
            for own in range(size)
        ),
    )


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
@pytest.mark.parametrize("routers", [1, 2, 4, 6])
def test_the_cheapest_node_of_two_chassis_serves_all_routers(peering: Peering, routers: int) -> None:
    # Two speakers hold two sessions with each router, and one chassis may fail, so they are in two chassis.
    found = solve_small(rack(routers), Policy(peering=peering), CHASSIS)
    assert found is not None
    assert found.solution is not None
    assert found.solution.speakers == (1, 0, 0, 0, 1, 0, 0, 0)
    assert [goal.value for goal in found.objectives] == [2 * routers, 2, 2, 0, 0]


def test_among_equals_the_first_are_taken() -> None:
    found = solve_small(rack(2, (1, 1, 1, 1)), Policy(), CHASSIS)
    assert found is not None
    assert found.solution is not None
    assert found.solution.speakers == (1, 1, 0, 0)


def test_speakers_that_are_to_stay_stay_unless_a_limit_is_in_the_way() -> None:
    policy = Policy(goals=("moves", "speakers"))
    running = rack(2, runs=True)
    found = solve_small(running, policy, CHASSIS)
    assert found is not None
    assert [goal.value for goal in found.objectives] == [0, 8]
    tight = replace(running, routers=tuple(replace(router, limit=5) for router in running.routers))
    assert solve_small(tight, policy, CHASSIS) is None
    known = minimize_in_order(ComponentModel(tight, policy, CHASSIS), policy.goals, (), Clock(60), silent)
    assert [goal.value for goal in known.objectives] == [3, 5]


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_racks_that_differ_in_cost_are_all_solved_by_it(peering: Peering) -> None:
    policy = Policy(peering=peering, survive=CHASSIS)
    problem = reduce(dual_tor(racks=20, size=20, chassis=5), policy)
    parts = tuple(
        replace(
            part,
            classes=tuple(
                NodeClass(replace(each.traits, cost=(number * 7 + at * at) % 11, runs=at % 3 > 0), (name,))
                for each in part.classes
                for at, name in enumerate(each.names)
            ),
        )
        for number, part in enumerate(problem.components)
    )
    answers = solve(replace(problem, components=parts))
    assert [solve_small(part, policy, problem.survive) for part in parts] == [answer for _, answer in answers]
    assert None not in [answer.solution for _, answer in answers]


def ring(size: int) -> Component:
    """Routers in a ring and as many nodes, each attached to three of them."""
    return Component(
        tuple(RouterNeed(f"r{at:02d}", 2) for at in range(size)),
        tuple(
            NodeClass(
                Traits(
                    tuple(sorted(f"r{(at + step) % size:02d}" for step in (0, 1, 3))), (), 3, at % 3, False, (), False
                ),
                (f"n{at}",),
            )
            for at in range(size)
        ),
    )


def test_it_gives_up_where_it_would_take_long() -> None:
    # Six routers are few; with 23 in such a ring no bound is tight, and the number of ways has no end.
    assert solve_small(ring(6), Policy(), ()) is not None
    assert solve_small(ring(23), Policy(), ()) is None


def test_it_gives_up_after_so_many_steps_and_not_before() -> None:
    # The seven lines of the Fano plane ask for two of their three points each: no bound tells that five are too few.
    lines = [set(map(int, line)) for line in ("013", "124", "235", "346", "450", "561", "602")]
    columns = tuple(Column(at, 0, tuple(row for row, line in enumerate(lines) if at in line)) for at in range(7))
    program = Program(((1,),) * 7, columns, (2,) * 7)
    taken = cheapest(program)
    assert taken is not None
    assert len(taken) == 6
    with pytest.raises(GaveUpError):
        cheapest(program, 20)


@pytest.mark.parametrize(
    ("component", "policy"),
    [
        (rack(2), Policy(best_effort=True)),
        (rack(2), Policy(max_moves=3)),
        (rack(1, (1,) * (USES + 1)), Policy()),
        (rack(10), Policy(peering="selected")),
        (rack(1, (DEPTH, DEPTH), DEPTH + 1), Policy()),
    ],
)
def test_what_it_does_not_take_is_left_to_others(component: Component, policy: Policy) -> None:
    assert solve_small(component, policy, CHASSIS) is None


@pytest.mark.parametrize("goal", GOALS)
def test_each_goal_alone(goal: Goal) -> None:
    component, policy = rack(2, runs=True), Policy(peering="selected", goals=(goal,))
    found = solve_small(component, policy, CHASSIS)
    assert found is not None
    assert (
        found.objectives
        == minimize_in_order(ComponentModel(component, policy, CHASSIS), (goal,), (), Clock(60), silent).objectives
    )


def test_a_limit_one_below_the_nodes_counts() -> None:
    full = rack(1, (2, 1), needed=3)
    assert solve_small(full, Policy(), CHASSIS) is not None
    found = solve_small(replace(full, routers=(replace(full.routers[0], limit=2),)), Policy(), CHASSIS)
    assert found is not None
    assert found.solution is None


def test_nodes_with_less_room_are_apart() -> None:
    # Only the dearer node of each chassis has room for both sessions; the cheap ones would need two more speakers.
    plain = rack(2, (2, 2))
    tight = tuple(replace(each, traits=replace(each.traits, capacity=1 + each.traits.cost)) for each in plain.classes)
    found = solve_small(replace(plain, classes=tight), Policy(peering="selected"), CHASSIS)
    assert found is not None
    assert found.solution is not None
    assert found.solution.speakers == (0, 1, 0, 1)

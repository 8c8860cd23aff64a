"""The goals of a CP-SAT model made as small as possible, one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ortools.sat.python import cp_model

from ..errors import NoAnswerError
from ..model import Objective
from ..progress import Tell
from .clock import Clock
from .cp_sat_model import ComponentModel, Expression
from .cp_sat_search import FOUND, CpSatSearch, ProgressCallback
from .goals import goal_values
from .problem import Answer, Component, Solution
from .rules import best_effort_values


def minimize_in_order(
    model: ComponentModel,
    names: Sequence[str],
    known: Sequence[Objective],
    clock: Clock,
    progress: Tell,
    start: Solution | None = None,
) -> Answer:
    """The goals of a model one after another; the first ones may be `known` to be reached by `start`, a solution from
    which the search then begins, and which is the answer where the time ends at once. Raises NoAnswerError."""
    if start:
        model.suggest(start)
    # All goals are written down first, as some of them bring variables of their own.
    goals = {name: model.goal(name) for name in names}
    for objective in known:
        model.cp.add(goals[objective.name] <= objective.value)
    model.cp.minimize(goals[names[len(known)]])
    search = CpSatSearch(model.cp, clock)
    status = search.first()
    if status == cp_model.INFEASIBLE:
        return Answer(None)
    if status == cp_model.UNKNOWN and start:
        return unfinished(model.component, names, known, start)
    if status == cp_model.UNKNOWN:
        raise NoAnswerError("the time limit ended before a first placement was found; raise --time-limit")
    left = {name: goals[name] for name in names[len(known) :]}
    best, bounds = minimize_each(model.cp, left, search.solver, clock, progress)
    return answer_of(model, goals, best, [*(objective.bound for objective in known), *bounds])


def minimize_each(
    model: cp_model.CpModel,
    goals: Mapping[str, Expression],
    best: cp_model.CpSolver,
    clock: Clock,
    progress: Tell,
) -> tuple[cp_model.CpSolver, list[int]]:
    """Each goal minimized from a first solution on, and fixed at the value reached before the next is tried: the
    search with the last solution, and a lower bound for every goal."""
    bounds = []
    for number, (name, goal) in enumerate(goals.items(), 1):
        if best.value(goal) == 0:
            bounds.append(0)  # no goal is ever below zero
            model.add(goal <= 0)
            continue
        hint_at(model, best)
        model.minimize(goal)
        # A goal that cannot be proved must leave time for those after it.
        search = CpSatSearch(model, clock, share=1.0 if number == len(goals) else 0.6)
        if search.run(ProgressCallback(name, progress)) in FOUND:
            best = search.solver
        bounds.append(max(0, math.ceil(search.solver.best_objective_bound - 1e-6)))
        model.add(goal <= best.value(goal))
    return best, bounds


def answer_of(
    model: ComponentModel, goals: Mapping[str, Expression], best: cp_model.CpSolver, bounds: Sequence[int]
) -> Answer:
    """The answer with the last solution found.

    A search for a later goal may have improved an earlier one that was not proved, and a slack may be larger than
    what is really missed, so all values are taken from the solution.
    """
    solution = model.solution(best)
    values = {name: best.value(goal) for name, goal in goals.items()}
    values |= best_effort_values(model.component, model.survive, solution)
    floor = {"sessions": fewest_sessions(model.component, values["shortfall"], values["exposure"])}
    return Answer(
        solution,
        tuple(
            Objective(name, values[name], min(values[name], max(bound, floor.get(name, 0))))
            for name, bound in zip(goals, bounds, strict=True)
        ),
    )


def fewest_sessions(component: Component, shortfall: int, exposure: int) -> int:
    """The fewest sessions there can be by what routers and their racks ask for, where so much of it is missing."""
    routers = component.routers
    racks = sum(max(router.needed, sum(number for _, number in router.racks)) for router in routers)
    return max(sum(router.needed for router in routers) - shortfall, racks - shortfall - exposure)


def unfinished(component: Component, names: Sequence[str], known: Sequence[Objective], start: Solution) -> Answer:
    """A solution as the answer, with nothing proved of the goals after the known ones."""
    reached = goal_values(component.classes, start)
    return Answer(start, (*known, *(Objective(name, reached[name], 0) for name in names[len(known) :])))


def hint_at(model: cp_model.CpModel, search: cp_model.CpSolver) -> None:
    """Let the next search start from the solution of this one."""
    model.clear_hints()  # type: ignore[no-untyped-call]
    for index, value in enumerate(search.response_proto.solution):
        model.add_hint(model.get_int_var_from_proto_index(index), value)

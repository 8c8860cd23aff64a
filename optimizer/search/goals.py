"""The goals of a CP-SAT model made as small as possible, one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct
from ortools.sat.python import cp_model

from ..errors import NoAnswerError
from ..model import GOALS, Objective, Policy
from ..progress import Tell
from .clock import Clock
from .cp_sat_model import Model
from .cp_sat_search import FOUND, Search, Told
from .reduce import Component, NodeClass, Solution
from .rules import best_effort_values

BEST_EFFORT_GOALS = ("worsened", "shortfall", "exposure", "retained")


class Answer(Struct, frozen=True):
    """A component's answer: the solution, None where its rules cannot hold together, and its goals' values."""

    solution: Solution | None
    objectives: tuple[Objective, ...] = ()


def goal_names(policy: Policy) -> list[str]:
    """The goals in order; in layer 2 and VIP mode there are no sessions to count."""
    names = [goal for goal in policy.goals if policy.mode == "bgp" or goal not in ("sessions", "sessionMoves")]
    return [*BEST_EFFORT_GOALS, *names] if policy.best_effort else list(names)


def goal_values(classes: Sequence[NodeClass], found: Solution) -> dict[str, int]:
    """The values of all goals for a solution."""
    reached: dict[str, int] = dict.fromkeys(GOALS, 0)
    for each, speakers, sessions in zip(classes, found.speakers, found.sessions, strict=True):
        traits = each.traits
        reached["moves"] += len(each.names) - speakers if traits.runs else speakers
        if not speakers:
            continue
        reached["speakers"] += speakers
        reached["cost"] += traits.cost * speakers
        reached["sessions"] += sum(sessions)
        if traits.runs:
            reached["sessionMoves"] += sum(
                speakers - number if router in traits.today else number
                for router, number in zip(traits.routers, sessions, strict=True)
            )
    return reached


def pursue(
    model: Model,
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
    goal = {name: model.goal(name) for name in names}
    bounds = [objective.bound for objective in known]
    for objective in known:
        model.cp.add(goal[objective.name] <= objective.value)
    model.cp.minimize(goal[names[len(known)]])
    search = Search(model.cp, clock)
    status = search.first()
    if status == cp_model.INFEASIBLE:
        return Answer(None)
    if status == cp_model.UNKNOWN and start:
        return unfinished(model.component, names, known, start)
    if status == cp_model.UNKNOWN:
        raise NoAnswerError("the time limit ended before a first placement was found; raise --time-limit")
    best = search.solver
    for number, name in enumerate(names[len(known) :], len(known)):
        expression = goal[name]
        if best.value(expression) == 0:
            bounds.append(0)  # no goal is ever below zero
            model.cp.add(expression <= 0)
            continue
        hint(model.cp, best)
        model.cp.minimize(expression)
        # A goal that cannot be proved must leave time for those after it.
        search = Search(model.cp, clock, share=1.0 if number + 1 == len(names) else 0.6)
        if search.run(Told(name, progress)) in FOUND:
            best = search.solver
        bounds.append(max(0, math.ceil(search.solver.best_objective_bound - 1e-6)))
        model.cp.add(expression <= best.value(expression))
    solution = model.solution(best)
    # A search for a later goal may have improved an earlier one that was not proved, and a slack may be larger than
    # what is really missed.
    values = {name: best.value(goal[name]) for name in names}
    values |= best_effort_values(model.component, model.survive, solution)
    least = sum(router.needed for router in model.component.routers)
    floor = {"sessions": least - values["shortfall"]}
    return Answer(
        solution,
        tuple(
            Objective(name, values[name], min(values[name], max(bound, floor.get(name, 0))))
            for name, bound in zip(names, bounds, strict=True)
        ),
    )


def unfinished(component: Component, names: Sequence[str], known: Sequence[Objective], start: Solution) -> Answer:
    """A solution as the answer, with nothing proved of the goals after the known ones."""
    reached = goal_values(component.classes, start)
    return Answer(start, (*known, *(Objective(name, reached[name], 0) for name in names[len(known) :])))


def hint(model: cp_model.CpModel, search: cp_model.CpSolver) -> None:
    """Let the next search start from the solution of this one."""
    model.clear_hints()  # type: ignore[no-untyped-call]
    for index, value in enumerate(search.response_proto.solution):
        model.add_hint(model.get_int_var_from_proto_index(index), value)

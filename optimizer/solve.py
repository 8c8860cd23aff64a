"""The search: goals one after another, component by component, and what conflicts where there is no answer.

One CP-SAT worker with the full linear relaxation, because a single deterministic search gives the same answer every
time, and was measured to prove covering problems far faster than the default.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct, structs
from ortools.sat.python import cp_model

from .constraints import Model
from .errors import NoAnswerError
from .model import Objective, Policy, Survive
from .progress import News, Tell, silent
from .reduce import Component, Domains, Problem, Solution
from .rules import Rule, best_effort_values, soft_rules

BEST_EFFORT_GOALS = ("worsened", "shortfall", "exposure", "retained")


class Answer(Struct, frozen=True):
    """A component's answer: the solution, None where its rules cannot hold together, and its goals' values."""

    solution: Solution | None
    objectives: tuple[Objective, ...] = ()


def goal_names(policy: Policy) -> list[str]:
    """The goals in order; in layer 2 and VIP mode there are no sessions to count."""
    names = [goal for goal in policy.goals if policy.mode == "bgp" or goal not in ("sessions", "sessionMoves")]
    return [*BEST_EFFORT_GOALS, *names] if policy.best_effort else list(names)


class Clock:
    """What is left of the time limit; a part of it has a clock of its own."""

    def __init__(self, seconds: float, whole: Clock | None = None) -> None:
        self.end, self.whole = time.monotonic() + seconds, whole

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.end

    def left(self) -> float:
        """Seconds left, never less than a moment, so that a search can still say what it knows."""
        return max(0.05, self.end - time.monotonic())

    def stop(self) -> None:
        """End the time now, also that of the whole."""
        self.end = time.monotonic()
        if self.whole:
            self.whole.stop()


class Search:
    """One deterministic CP-SAT search (unless the time ends it)."""

    def __init__(self, model: cp_model.CpModel, clock: Clock, share: float = 1.0) -> None:
        self.model, self.clock, self.seconds = model, clock, clock.left() * share
        self.solver = cp_model.CpSolver()
        self.solver.parameters.num_workers = 1
        self.solver.parameters.linearization_level = 2
        self.solver.parameters.random_seed = 0
        self.solver.parameters.max_time_in_seconds = self.seconds

    def run(self, told: cp_model.CpSolverSolutionCallback | None = None) -> cp_model.CpSolverStatus:
        """The outcome. CP-SAT takes Ctrl-C itself and ends early; then all the time is over."""
        status = self.solver.solve(self.model, told)
        if status in (cp_model.FEASIBLE, cp_model.UNKNOWN) and self.solver.wall_time < 0.9 * self.seconds - 0.1:
            self.clock.stop()
        return status

    def first(self) -> cp_model.CpSolverStatus:
        """Any solution: without the linear relaxation it comes at once, also where the relaxation is large."""
        self.solver.parameters.linearization_level = 0
        self.solver.parameters.stop_after_first_solution = True
        return self.solver.solve(self.model)


class Told(cp_model.CpSolverSolutionCallback):
    """Tells of each better solution."""

    def __init__(self, name: str, progress: Tell) -> None:
        super().__init__()
        self.name, self.progress = name, progress

    def on_solution_callback(self) -> None:
        """Called by CP-SAT."""
        self.progress(News(self.name, round(self.objective_value), math.ceil(self.best_objective_bound - 1e-6)))


def solve_component(
    component: Component,
    policy: Policy,
    survive: Sequence[Survive],
    clock: Clock,
    progress: Tell = silent,
) -> Answer:
    """The best solution of a component, its goals made as small as possible one after another.

    Each goal is fixed at the value reached before the next is tried. Raises NoAnswerError where the time ends
    before a first solution.
    """
    relaxed = soft_rules(component, survive) if policy.best_effort else []
    model = Model(component, policy, survive, relaxed)
    names = goal_names(policy)
    # All goals are written down first, as some of them bring variables of their own.
    goal = {name: model.goal(name) for name in names}
    bounds: list[int] = []
    model.cp.minimize(goal[names[0]])
    search = Search(model.cp, clock)
    status = search.first()
    if status == cp_model.INFEASIBLE:
        return Answer(None)
    if status == cp_model.UNKNOWN:
        raise NoAnswerError("the time limit ended before a first placement was found; raise --time-limit")
    best = search.solver
    for number, name in enumerate(names):
        expression = goal[name]
        if best.value(expression) == 0:
            bounds.append(0)  # no goal is ever below zero
            model.cp.add(expression <= 0)
            continue
        hint(model.cp, best)
        model.cp.minimize(expression)
        # A goal that cannot be proved must leave time for those after it.
        search = Search(model.cp, clock, share=1.0 if number + 1 == len(names) else 0.6)
        if search.run(Told(name, progress)) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            best = search.solver
        bounds.append(max(0, math.ceil(search.solver.best_objective_bound - 1e-6)))
        model.cp.add(expression <= best.value(expression))
    solution = Solution(
        tuple(best.value(x) for x in model.x),
        tuple(
            tuple(best.value(sessions[router]) for router in each.traits.routers)
            for each, sessions in zip(component.classes, model.s, strict=True)
        ),
    )
    # A search for a later goal may have improved an earlier one that was not proved, and a slack may be larger than
    # what is really missed.
    values = {name: best.value(goal[name]) for name in names} | best_effort_values(component, survive, solution)
    least = sum(router.needed for router in component.routers)
    known = {"sessions": least - values["shortfall"]}
    return Answer(
        solution,
        tuple(
            Objective(name, values[name], min(values[name], max(bound, known.get(name, 0))))
            for name, bound in zip(names, bounds, strict=True)
        ),
    )


def hint(model: cp_model.CpModel, search: cp_model.CpSolver) -> None:
    """Let the next search start from the solution of this one."""
    model.clear_hints()  # type: ignore[no-untyped-call]
    for index, value in enumerate(search.response_proto.solution):
        model.add_hint(model.get_int_var_from_proto_index(index), value)


def solve(problem: Problem, progress: Tell = silent) -> list[tuple[Component, Answer]]:
    """An answer for every component; components of the same shape are solved once.

    Where the answers together break the budget of moves, the components are linked by it and solved as one; where
    they do not, the budget changes nothing. Raises NoAnswerError.
    """
    policy, clock = problem.policy, Clock(problem.policy.time_limit)
    if len(problem.components) == 1 or policy.max_moves is None:
        return solve_apart(problem, policy, clock, progress)
    answers = solve_apart(problem, structs.replace(policy, max_moves=None), Clock(clock.left() / 2, clock), progress)
    used = sum(moves(component, answer.solution) for component, answer in answers if answer.solution)
    if used <= policy.max_moves or any(answer.solution is None for _, answer in answers):
        return answers
    progress("the budget of moves links all components: solving them as one")
    whole = joined(problem.components)
    return [(whole, solve_component(whole, policy, problem.survive, clock, progress))]


def solve_apart(problem: Problem, policy: Policy, clock: Clock, progress: Tell) -> list[tuple[Component, Answer]]:
    """Each component on its own, or the answer of one of its shape."""
    known: dict[object, Answer] = {}
    answers: list[tuple[Component, Answer]] = []
    for number, component in enumerate(problem.components):
        key = shape(component)
        if key not in known:
            # Components that come late may be hard too, so none may take more than a part of what is left.
            share = Clock(clock.left() / max(1, min(len(problem.components) - number, 10)), clock)
            known[key] = solve_component(component, policy, problem.survive, share, progress)
            progress(f"solved {number + 1} of {len(problem.components)} components")
        answers.append((component, known[key]))
    return answers


def joined(components: Iterable[Component]) -> Component:
    """The components as one."""
    parts = list(components)
    return Component(
        tuple(router for part in parts for router in part.routers),
        tuple(each for part in parts for each in part.classes),
    )


def moves(component: Component, solution: Solution) -> int:
    """Speakers that start or stop in a solution."""
    return sum(
        len(each.names) - count if each.traits.runs else count
        for each, count in zip(component.classes, solution.speakers, strict=True)
        if not each.traits.retained
    )


def shape(component: Component) -> object:
    """A key that is equal only for components that differ in names alone: routers and domain values are numbered in
    the order in which they come. Their solutions, being counts by position, are then the same."""
    position = {router.name: number for number, router in enumerate(component.routers)}
    numbers: dict[tuple[str, str], int] = {}

    def numbered(domains: Domains) -> tuple[tuple[str, int], ...]:
        return tuple((domain[0], numbers.setdefault(domain, len(numbers))) for domain in domains)

    return (
        tuple(
            (each.needed, each.limit, each.spare, numbered(each.domains), each.elsewhere) for each in component.routers
        ),
        tuple(
            (
                tuple(position[router] for router in each.traits.routers),
                numbered(each.traits.domains),
                each.traits.capacity,
                each.traits.cost,
                each.traits.runs,
                tuple(position[router] for router in each.traits.today),
                each.traits.pinned,
                each.traits.retained,
                len(each.names),
            )
            for each in component.classes
        ),
    )


def conflict(
    component: Component, policy: Policy, survive: Sequence[Survive], dropped: Collection[Rule], clock: Clock
) -> list[Rule]:
    """A minimal set of rules that cannot hold together: leaving out any one of them, the others can.

    CP-SAT names a sufficient set of assumptions; then each rule is left out in turn and stays out where the rest
    still conflicts. Empty where the rules hold together, or where the time ends before that is known.
    """
    model = Model(component, policy, survive, dropped=dropped, explain=True)
    rule_of = {literal.index: rule for rule, literal in model.literals.items()}

    def clashing(rules: Collection[Rule]) -> list[Rule] | None:
        model.cp.clear_assumptions()
        model.cp.add_assumptions([model.literals[rule] for rule in sorted(rules)])
        search = Search(model.cp, clock)
        if search.run() != cp_model.INFEASIBLE:
            return None
        named = [rule_of[index] for index in search.solver.sufficient_assumptions_for_infeasibility()]
        return sorted(set(named)) or sorted(rules)

    core = clashing(list(model.literals))
    for rule in sorted(core or (), key=removal_order):
        if core and rule in core:
            core = clashing([other for other in core if other != rule]) or core
    return core or []


def removal_order(rule: Rule) -> tuple[int, Rule]:
    """Rules that say least to an operator are left out first, so that the explanation is told in the others."""
    order = ("moves", "change", "capacity", "limit", "pins", "survival", "redundancy")
    return order.index(rule.kind), rule


def least_relief(
    component: Component,
    policy: Policy,
    survive: Sequence[Survive],
    rule: Rule,
    dropped: Collection[Rule],
    clock: Clock,
) -> int | None:
    """By how much the rule must be relaxed, all other rules but the dropped ones kept; None where that cannot help."""
    model = Model(component, policy, survive, relaxed={rule}, dropped=dropped)
    if rule not in model.slack:
        return None
    model.cp.minimize(model.slack[rule])
    search = Search(model.cp, clock)
    return search.solver.value(model.slack[rule]) if search.run() == cp_model.OPTIMAL else None


def holds(
    component: Component, policy: Policy, survive: Sequence[Survive], dropped: Collection[Rule], clock: Clock
) -> bool:
    """Whether the component's rules but the dropped ones are shown to hold together."""
    model = Model(component, policy, survive, dropped=dropped)
    return Search(model.cp, clock).run() in (cp_model.OPTIMAL, cp_model.FEASIBLE)

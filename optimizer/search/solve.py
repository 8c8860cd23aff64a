"""An answer for every component: small ones by an exact search, others by one CP-SAT model, and large ones as a
covering program first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import structs

from ..model import Policy, Survive
from ..progress import News, Tell, silent
from .clock import Clock, ended_by_ctrl_c
from .goals import searched_goals
from .problem import Answer, Component, Problem, Solution, shape
from .rules import soft_rules
from .small import solve_small

LARGE = 100
"""Components of more classes than this are hard for one model (measured: below it, one model takes milliseconds)."""


def solve_component(
    component: Component, policy: Policy, survive: Sequence[Survive], clock: Clock, progress: Tell = silent
) -> Answer:
    """The best solution of a component, its goals made as small as possible one after another.

    Each goal is fixed at the value reached before the next is tried. Raises NoAnswerError where the time ends
    before a first solution.
    """
    if not policy.best_effort and crowded(component):
        return Answer(None)
    answer = solve_small(component, policy, survive)
    return answer if answer is not None else solve_hard(component, policy, survive, clock, progress)


def crowded(component: Component) -> bool:
    """Whether the racks of a router, which share no node, together ask for more sessions than it takes, or for more new
    ones than it has room for. To say so by counting is exact, and spares a search that may find it out late."""
    have = {router.name: Counter[str]() for router in component.routers if router.racks and router.limit is not None}
    for each in component.classes if have else ():
        for name in have.keys() & {*each.traits.today, *each.traits.down}:
            have[name][each.traits.rack] += len(each.names)
    for router in (router for router in component.routers if router.name in have):
        asked = sum(number for _, number in router.racks)
        new = sum(max(0, number - have[router.name][rack]) for rack, number in router.racks)
        if any(most is not None and number > most for number, most in ((asked, router.limit), (new, router.spare))):
            return True
    return False


def solve_hard(
    component: Component, policy: Policy, survive: Sequence[Survive], clock: Clock, progress: Tell
) -> Answer:
    """As `solve_component`, by CP-SAT."""
    # Imported here, as CP-SAT takes longer to import than most clusters take, which need none of it.
    with clock.paused():
        from .cp_sat_model import ComponentModel
        from .large import solve_large
        from .lexicographic import minimize_in_order

    names = searched_goals(policy, component.classes)
    if len(component.classes) > LARGE and not policy.best_effort:
        answer = solve_large(component, policy, survive, names, clock, progress)
        if answer is not None:
            return answer
    relaxed = soft_rules(component, survive) if policy.best_effort else []
    model = ComponentModel(component, policy, survive, relaxed)
    return minimize_in_order(model, names, (), clock, progress)


def solve(problem: Problem, progress: Tell = silent) -> list[tuple[Component, Answer]]:
    """An answer for every component; components of the same shape are solved once.

    Where the answers together break the budget of moves, the components are linked by it and solved as one; where
    they do not, the budget changes nothing. The time limit and Ctrl-C bring out the best so far. Raises NoAnswerError.
    """
    clock = Clock(problem.policy.time_limit)
    with ended_by_ctrl_c(clock):
        return solve_all(problem, clock, progress)


def solve_all(problem: Problem, clock: Clock, progress: Tell) -> list[tuple[Component, Answer]]:
    """As `solve`, in the time of a clock."""
    policy = problem.policy
    if len(problem.components) == 1 or policy.max_moves is None:
        return solve_apart(problem, policy, clock, progress)
    answers = solve_apart(problem, structs.replace(policy, max_moves=None), Clock(clock.left() / 2, clock), progress)
    used = sum(count_moves(component, answer.solution) for component, answer in answers if answer.solution)
    if used <= policy.max_moves or any(answer.solution is None for _, answer in answers):
        return answers
    progress("the budget of moves links all components: solving them as one")
    whole = joined(problem.components)
    return [(whole, solve_component(whole, policy, problem.survive, clock, progress))]


def solve_apart(problem: Problem, policy: Policy, clock: Clock, progress: Tell) -> list[tuple[Component, Answer]]:
    """Each component on its own, or the answer of one of its shape."""
    known: dict[object, Answer] = {}
    answers: list[tuple[Component, Answer]] = []
    parts = len(problem.components)
    for number, component in enumerate(problem.components):
        key = shape(component)
        if key not in known:
            # Components that come late may be hard too, so none may take more than a part of what is left.
            share = Clock(clock.left() / max(1, min(parts - number, 10)), clock)
            known[key] = solve_component(component, policy, problem.survive, share, part(progress, number + 1, parts))
            progress(f"solved {number + 1} of {parts} components")
        answers.append((component, known[key]))
    return answers


def part(tell: Tell, number: int, parts: int) -> Tell:
    """Adds to the news which component it is of."""
    return lambda what: tell(structs.replace(what, part=number, parts=parts) if isinstance(what, News) else what)


def joined(components: Iterable[Component]) -> Component:
    """The components as one."""
    parts = list(components)
    return Component(
        tuple(router for part in parts for router in part.routers),
        tuple(each for part in parts for each in part.classes),
    )


def count_moves(component: Component, solution: Solution) -> int:
    """Speakers that start or stop in a solution; one that does not work and stays does neither."""
    return sum(
        len(each.names) - count if each.traits.runs else count
        for each, count in zip(component.classes, solution.speakers, strict=True)
        if not each.traits.retained and not each.traits.broken
    )

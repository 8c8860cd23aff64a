"""Large components: the speakers by a covering program, then the sessions that they hold.

Under `all-attached` the covering program is the component. Under `selected` it is a relaxation without the sessions,
so what it proves holds for the component too, and where its speakers can hold as few sessions as each router by itself
needs, both are solved at once. Where they cannot, one CP-SAT model of the whole decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import structs
from ortools.sat.python import cp_model

from ..model import Objective, Policy, Survive
from ..progress import Tell
from .clock import Clock
from .columns import columns_of
from .covering.descent import Cover, cover
from .covering.program import covering_program
from .cp_sat_model import ComponentModel
from .cp_sat_search import FOUND, CpSatSearch
from .goals import LinearGoal, linear_goal
from .lexicographic import minimize_in_order, unfinished
from .problem import Answer, Component, Domains, NodeClass, RouterNeed, Solution, Traits

MOMENT = 5.0
"""Seconds for a model that takes a small part of one as a rule."""


def solve_large(
    component: Component, policy: Policy, survive: Sequence[Survive], names: Sequence[str], clock: Clock, tell: Tell
) -> Answer | None:
    """The answer of a large component; None where this way does not fit it. Raises NoAnswerError."""
    if policy.peering == "all-attached" or policy.mode != "bgp":
        return speakers_only(component, policy, survive, names, clock, tell)
    if any(each.traits.capacity < len(each.traits.routers) for each in component.classes):
        return None  # the speakers alone say too little where their sessions are limited
    return with_sessions(component, policy, survive, names, clock, tell)


def speakers_only(
    component: Component, policy: Policy, survive: Sequence[Survive], names: Sequence[str], clock: Clock, tell: Tell
) -> Answer:
    """The component as a covering program, which is exact where sessions follow from speakers."""
    columns = columns_of(component, policy)
    goals = [linear_goal(name, component, columns) for name in names]
    found = cover(covering_program(component, policy, survive), goals, running(component), clock, tell)
    if found is None:
        return Answer(None)
    sessions = tuple(
        (count,) * len(each.traits.routers) for each, count in zip(component.classes, found.x, strict=True)
    )
    return Answer(Solution(found.x, sessions), reached(goals, found))


def running(component: Component) -> list[int]:
    """Today's speakers, by class."""
    return [len(each.names) if each.traits.runs else 0 for each in component.classes]


def reached(goals: Sequence[LinearGoal], found: Cover) -> tuple[Objective, ...]:
    """The values and bounds of the goals."""
    return tuple(
        Objective(goal.name, goal.value(found.x), max(0, bound))
        for goal, bound in zip(goals, found.bounds, strict=True)
    )


def with_sessions(
    component: Component, policy: Policy, survive: Sequence[Survive], names: Sequence[str], clock: Clock, tell: Tell
) -> Answer | None:
    """The speakers first, the sessions as the least that each router needs, and what goals remain by CP-SAT."""
    least = least_sessions(component, policy, survive, clock)
    if least is None:
        return None
    first = first_goals(component, names)
    if not first:
        return None
    # Without the sessions a router's limit says nothing, as it may hold fewer than there are speakers around it.
    routers = tuple(structs.replace(router, limit=None, spare=None) for router in component.routers)
    unlimited = structs.replace(component, routers=routers)
    relaxed = structs.replace(policy, peering="all-attached")
    columns = columns_of(component, relaxed)
    goals = [linear_goal(name, component, columns) for name in first if name != "sessions"]
    covering = covering_program(unlimited, relaxed, survive)
    # What follows needs a moment too.
    found = cover(covering, goals, running(component), Clock(0.9 * clock.left(), clock), tell)
    if found is None:
        return Answer(None)
    known = {objective.name: objective for objective in reached(goals, found)}
    known["sessions"] = Objective("sessions", least, least)
    solution = complete(component, policy, survive, found.x, least if "sessions" in first else None, clock)
    if solution is None:
        return None
    answer = Answer(solution, tuple(known[name] for name in first))
    if len(first) == len(names):
        return answer
    if clock.over:
        return unfinished(component, names, answer.objectives, solution)
    model = ComponentModel(component, policy, survive)
    return minimize_in_order(model, names, answer.objectives, clock, tell, solution)


def first_goals(component: Component, names: Sequence[str]) -> list[str]:
    """The goals, from the first on, that speakers decide, or that the sessions' least number does."""
    still = not any(each.traits.runs for each in component.classes)
    found: list[str] = []
    for name in names:
        if (name == "sessions" and found) or (name == "sessionMoves" and not still):
            break
        found.append(name)
    return found


def least_sessions(component: Component, policy: Policy, survive: Sequence[Survive], clock: Clock) -> int | None:
    """The fewest sessions that all routers need, each taken by itself; None where one cannot have them.

    No component needs fewer, whatever links its routers. Nodes in the same domains are alike to one router, and no
    more of them matter than the most that any of its rules asks for.
    """
    known: dict[object, int | None] = {}
    around: dict[str, Counter[tuple[Domains, bool, str]]] = {router.name: Counter() for router in component.routers}
    for each in component.classes:
        for name in each.traits.routers:
            now = name in (*each.traits.today, *each.traits.down)
            around[name][each.traits.domains, now, each.traits.rack] += len(each.names)
    total = 0
    for router in component.routers:
        most = max((router.needed, *(rule.survivors + router.needed for rule in survive)))
        # To one router its racks are alike, whatever their names.
        racks = {rack: str(number) for number, (rack, _) in enumerate(router.racks)}
        groups = [
            (domains, held, racks.get(rack, ""), min(count, most))
            for (domains, held, rack), count in sorted(around[router.name].items())
        ]
        alike = structs.replace(router, name="", racks=tuple((racks[rack], number) for rack, number in router.racks))
        key = (alike, tuple(groups))
        if key not in known:
            known[key] = fewest(alike, groups, policy, survive, clock)
        fewer = known[key]
        if fewer is None:
            return None
        total += fewer
    return total


def fewest(
    router: RouterNeed,
    groups: Sequence[tuple[Domains, bool, str, int]],
    policy: Policy,
    survive: Sequence[Survive],
    clock: Clock,
) -> int | None:
    """The fewest sessions of one router, of nodes given as (domains, whether they have a session today, their rack, how
    many)."""
    name = (router.name,)
    classes = tuple(
        NodeClass(
            Traits(name, domains, 1, 0, False, name if held else (), False, rack=rack), tuple(map(str, range(count)))
        )
        for domains, held, rack, count in groups
    )
    asked = structs.replace(policy, max_moves=None)
    model = ComponentModel(Component((router,), classes), asked, survive)
    model.cp.minimize(model.goal("sessions"))
    search = CpSatSearch(model.cp, Clock(min(MOMENT, clock.left()), clock))
    return round(search.solver.objective_value) if search.run() == cp_model.OPTIMAL else None


def complete(
    component: Component,
    policy: Policy,
    survive: Sequence[Survive],
    speakers: Sequence[int],
    most: int | None,
    clock: Clock,
) -> Solution | None:
    """Sessions for given speakers that keep all rules, the fewest there are; None where these are more than `most`."""
    classes = tuple(
        structs.replace(each, names=each.names[:count])
        for each, count in zip(component.classes, speakers, strict=True)
        if count
    )
    kinds = near_kinds(component, survive)
    routers = tuple(structs.replace(router, elsewhere=kinds[router.name]) for router in component.routers)
    model = ComponentModel(Component(routers, classes), structs.replace(policy, max_moves=None), survive)
    for number, each in enumerate(classes):
        model.cp.add(model.variables[number] == len(each.names))
    sessions = model.goal("sessions")
    model.cp.minimize(sessions)
    # Also when the time is over: the speakers found are lost without their sessions.
    search = CpSatSearch(model.cp, Clock(max(MOMENT, clock.left())))
    if search.run() not in FOUND or (most is not None and search.solver.value(sessions) > most):
        return None
    # Classes without a speaker have no sessions.
    held = iter(model.solution(search.solver).sessions)
    return Solution(
        tuple(speakers),
        tuple(
            next(held) if count else (0,) * len(each.traits.routers)
            for each, count in zip(component.classes, speakers, strict=True)
        ),
    )


def near_kinds(component: Component, survive: Sequence[Survive]) -> dict[str, tuple[str, ...]]:
    """For every router the protected kinds that can hit it, which stay the same when classes without a speaker go."""
    found = {router.name: set(router.elsewhere) for router in component.routers}
    own = {router.name: dict(router.domains) for router in component.routers}
    kinds = {rule.kind for rule in survive}
    for each in component.classes:
        for kind, value in each.traits.domains:
            if kind in kinds:
                for router in each.traits.routers:
                    if own[router].get(kind) != value:
                        found[router].add(kind)
    return {router: tuple(sorted(names)) for router, names in found.items()}

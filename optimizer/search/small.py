"""Small components without CP-SAT: nodes alike but for what they cost are one group, of which the cheapest come first.

In a rack that leaves a few groups, one for each chassis, say, and a search over them takes a fraction of the time that
it takes to write a CP-SAT model down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice

from msgspec import Struct

from ..model import GOALS, Objective, Policy, Survive
from .branch_and_bound import Column, GaveUpError, Program, cheapest
from .columns import sessions_are_chosen
from .goals import DOUBT, goal_values, searched_goals
from .problem import Answer, Component, NodeClass, Solution, Traits
from .rules import coverage_rules, survival_rules

USES = 512
"""Components with more ways to use a node than this are hard for the search."""

DEPTH = 200
"""Where the rules ask for more than this together, the search would go too deep."""


class NodeGroup(Struct, frozen=True, gc=False):
    """Classes of nodes that differ in cost alone; `members` are the cost and the class, by number, of each node, the
    cheapest first."""

    traits: Traits
    members: tuple[tuple[int, int], ...]


class Use(Struct, frozen=True, gc=False):
    """A way to use a node of a group: the routers that its speaker peers with, and what that costs beside the node."""

    group: int
    routers: tuple[str, ...]
    cost: int


UseSum = tuple[tuple[int, ...], int]
"""Uses, by number, and how many of them there are at least (a row) or at most (a cap)."""


def solve_small(component: Component, policy: Policy, survive: Sequence[Survive]) -> Answer | None:
    """The best solution of a small component, proved; None where the search gives up.

    Exact: the nodes of a group differ in cost alone, so rules see no more of them than how many are used in which
    way, and for that the cheapest nodes are the best.
    """
    if policy.best_effort or policy.max_moves is not None:
        return None
    names = searched_goals(policy, component.classes)
    ways = subsets if sessions_are_chosen(policy) else all_routers
    try:
        groups, uses = groups_and_uses(component.classes, weights(component.classes, names), ways)
        taken = cheapest(search_program(component, survive, groups, uses))
    except GaveUpError:
        return None
    if taken is None:
        return Answer(None)
    found = solution_of(component.classes, groups, [uses[number] for number in taken])
    reached = goal_values(component.classes, found)
    return Answer(found, tuple(Objective(name, reached[name], reached[name]) for name in names))


def groups_and_uses(
    classes: Sequence[NodeClass], worth: Mapping[str, int], ways: Callable[[Traits], Iterable[tuple[str, ...]]]
) -> tuple[list[NodeGroup], list[Use]]:
    """The groups, and all ways to use a node of each. Raises GaveUpError where there are too many."""
    groups: list[NodeGroup] = []
    uses: list[Use] = []
    for alike in grouped(classes):
        traits = classes[alike[0]].traits
        costs = {routers: sessions_cost(traits, routers, worth) for routers in ways(traits)}
        least = min(costs.values())
        uses += [Use(len(groups), routers, cost - least) for routers, cost in costs.items()]
        if len(uses) > USES:
            raise GaveUpError
        groups.append(NodeGroup(traits, cheapest_first(classes, alike, least, worth)))
    return groups, uses


def weights(classes: Sequence[NodeClass], names: Sequence[str]) -> dict[str, int]:
    """What a unit of each goal costs; nothing, where it is no goal.

    The goals are the digits of one number, the first the highest. Exact: as any two choices differ by less than
    `base` in every goal, a unit of one goal outweighs all later ones, and Python's integers have no bound.
    """
    base = 1 + sum(
        len(each.names) * (1 + len(each.traits.routers) + each.traits.cost + each.traits.doubt) for each in classes
    )
    worth: dict[str, int] = dict.fromkeys((*GOALS, DOUBT), 0)
    return worth | {name: base**power for power, name in enumerate(reversed(names))}


def grouped(classes: Sequence[NodeClass]) -> list[list[int]]:
    """The classes, by number, that are alike in all but what choosing one costs."""
    found: dict[object, list[int]] = {}
    for number, each in enumerate(classes):
        traits = each.traits
        place = traits.routers, traits.domains, traits.capacity, traits.rack
        key = place, traits.runs, traits.today, traits.down, traits.broken, traits.pinned
        found.setdefault(key, []).append(number)
    return list(found.values())


def all_routers(traits: Traits) -> list[tuple[str, ...]]:
    """All routers of a node, with which its speaker peers under `all-attached`."""
    return [traits.routers]


def subsets(traits: Traits) -> list[tuple[str, ...]]:
    """The sets of routers that a node has room for, the largest first; only so many that they show to be too many."""
    sizes = range(min(len(traits.routers), traits.capacity), 0, -1)
    return list(islice(chain.from_iterable(combinations(traits.routers, size) for size in sizes), USES + 1))


def sessions_cost(traits: Traits, routers: Sequence[str], worth: Mapping[str, int]) -> int:
    """What the sessions of a speaker cost."""
    changed = len(set(routers) ^ set(traits.today)) if traits.runs else 0
    return worth["sessions"] * len(routers) + worth["sessionMoves"] * changed


def cheapest_first(
    classes: Sequence[NodeClass], alike: Sequence[int], sessions: int, worth: Mapping[str, int]
) -> tuple[tuple[int, int], ...]:
    """What each node of a group costs with its speaker and the cheapest sessions, and its class; the cheapest first,
    and among equals the earliest class."""
    runs = classes[alike[0]].traits.runs
    same = sessions + worth["speakers"] + (-worth["moves"] if runs else worth["moves"])
    found: list[tuple[int, int]] = []
    for number in alike:
        each = classes[number]
        cost = same + worth["cost"] * each.traits.cost + worth[DOUBT] * each.traits.doubt
        found += [(cost, number)] * len(each.names)
    return tuple(sorted(found))


def demands(
    component: Component, survive: Sequence[Survive], groups: Sequence[NodeGroup], uses: Sequence[Use]
) -> Iterator[UseSum]:
    """What each router asks for: redundancy, survival of each domain that it is not in, and coverage of each rack."""
    for router in component.routers:
        if not router.needed:
            continue
        near = [number for number, use in enumerate(uses) if router.name in use.routers]
        yield tuple(near), router.needed
        attached = [NodeClass(each.traits, ()) for each in groups if router.name in each.traits.routers]
        for rule, lost in survival_rules(router, attached, survive):
            for value in lost:
                gone = rule.domain, value
                outside = (number for number in near if gone not in groups[uses[number].group].traits.domains)
                yield tuple(outside), rule.number
        for rule in coverage_rules(router):
            inside = (number for number in near if groups[uses[number].group].traits.rack == rule.domain)
            yield tuple(inside), rule.number


def configured(traits: Traits) -> tuple[str, ...]:
    """The routers with which a session is configured today, be it up or down."""
    return (*traits.today, *traits.down)


def limits(component: Component, groups: Sequence[NodeGroup], uses: Sequence[Use]) -> Iterator[UseSum]:
    """The limits of each router, after the change and during it, as far as there are nodes enough to reach them."""
    for router in component.routers:
        if router.limit is None and router.spare is None:
            continue
        near = [number for number, use in enumerate(uses) if router.name in use.routers]
        new = [number for number in near if router.name not in configured(groups[uses[number].group].traits)]
        for numbers, most in ((near, router.limit), (new, router.spare)):
            if most is not None:
                size = sum(len(groups[number].members) for number in {uses[number].group for number in numbers})
                if size > most:
                    yield tuple(numbers), most


def fixed_members(groups: Sequence[NodeGroup], uses: Sequence[Use], caps: Iterable[UseSum]) -> list[int]:
    """How many of the first members of each group are used in any case. Raises GaveUpError where that is not known.

    All pinned ones are, and those that cost less than nothing: a choice without one of them keeps every rule with it
    too, as long as no cap is in the way, and costs less.
    """
    found = [len(each.members) if each.traits.pinned else sum(cost < 0 for cost, _ in each.members) for each in groups]
    capped = {uses[number].group for numbers, _ in caps for number in numbers}
    if any(found[number] and not groups[number].traits.pinned for number in capped):
        raise GaveUpError
    return found


def search_program(
    component: Component, survive: Sequence[Survive], groups: Sequence[NodeGroup], uses: Sequence[Use]
) -> Program:
    """The program for the search; the first members of each group that are used in any case cost nothing more.

    Raises GaveUpError where the search would go too deep, or caps stand against members used in any case.
    """
    rows: dict[tuple[int, ...], int] = {}
    for numbers, number in demands(component, survive, groups, uses):
        rows[numbers] = max(number, rows.get(numbers, 0))
        if len(rows) > DEPTH:
            raise GaveUpError
    caps = list(limits(component, groups, uses))
    fixed = fixed_members(groups, uses, caps)
    for group, count in enumerate(fixed):
        if count:
            every = tuple(number for number, use in enumerate(uses) if use.group == group)
            rows[every] = max(count, rows.get(every, 0))
    if sum(rows.values()) > DEPTH:
        raise GaveUpError
    return Program(
        tuple(
            (0,) * free + tuple(cost for cost, _ in each.members[free:])
            for each, free in zip(groups, fixed, strict=True)
        ),
        tuple(
            Column(use.group, use.cost, of_rows, of_caps)
            for use, of_rows, of_caps in zip(
                uses, containing(rows, len(uses)), containing([numbers for numbers, _ in caps], len(uses)), strict=True
            )
        ),
        tuple(rows.values()),
        tuple(number for _, number in caps),
    )


def containing(rows: Iterable[Sequence[int]], uses: int) -> list[tuple[int, ...]]:
    """For each use the numbers of the rows or caps that it is in."""
    found: list[list[int]] = [[] for _ in range(uses)]
    for number, row in enumerate(rows):
        for use in row:
            found[use].append(number)
    return list(map(tuple, found))


def solution_of(classes: Sequence[NodeClass], groups: Sequence[NodeGroup], taken: Iterable[Use]) -> Solution:
    """The solution in which nodes are used in these ways, the cheapest nodes of each group first."""
    speakers = [0] * len(classes)
    sessions = [[0] * len(each.traits.routers) for each in classes]
    turns = [iter(each.members) for each in groups]
    for use in taken:
        _, number = next(turns[use.group])
        speakers[number] += 1
        for router in use.routers:
            sessions[number][classes[number].traits.routers.index(router)] += 1
    return Solution(tuple(speakers), tuple(map(tuple, sessions)))

"""The rules as linear constraints over the columns of a component, one function for each rule.

This is the one description of the rules that the CP-SAT model and the covering program are both built from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from ..model import Policy, Survive
from .columns import Columns, columns_of, sessions_are_chosen
from .goals import linear_goal
from .problem import Component, NodeClass, RouterNeed
from .rules import Rule, announcement_rules, coverage_rules, redundancy_rule, survival_rules

Held = Sequence[tuple[NodeClass, int]]
"""The classes attached to a router, each with the column of its sessions with it."""


class Constraint(Struct, frozen=True, gc=False):
    """The sum of coefficient times column is at least `number`, or with `at_most` set at most that.

    `rule` is what it belongs to; None where it only says what sessions are, which no policy can change.
    """

    rule: Rule | None
    columns: tuple[int, ...]
    coefficients: tuple[int, ...]
    number: int
    at_most: bool = False


def at_least(rule: Rule | None, columns: Iterable[int], number: int) -> Constraint:
    """The sum of the columns is at least `number`."""
    every = tuple(columns)
    return Constraint(rule, every, (1,) * len(every), number)


def at_most(rule: Rule | None, columns: Iterable[int], number: int) -> Constraint:
    """The sum of the columns is at most `number`."""
    every = tuple(columns)
    return Constraint(rule, every, (1,) * len(every), number, at_most=True)


def constraints(
    component: Component,
    policy: Policy,
    survive: Sequence[Survive],
    columns: Columns | None = None,
    terse: bool = False,
) -> Iterator[Constraint]:
    """All constraints of a component; `terse` leaves out what coverage implies, where no rule may be missed."""
    columns = columns or columns_of(component, policy)
    if sessions_are_chosen(policy):
        yield from sessions_of_speakers(component, columns)
    yield from pins(component)
    if sessions_are_chosen(policy):
        yield from capacity(component, columns)
    for router in component.routers:
        held = columns.held[router.name]
        if router.needed:
            covered = Covered(router, held) if terse and router.racks else None
            if not covered or covered.total < router.needed:
                yield redundancy(router, held)
            yield from survival(router, held, survive, covered)
            yield from coverage(router, held, terse)
        yield from limit(router, held)
    if policy.max_moves is not None:
        yield budget_of_moves(component, columns, policy.max_moves)


def sessions_of_speakers(component: Component, columns: Columns) -> Iterator[Constraint]:
    """Sessions belong to speakers: a class has no more sessions with a router than speakers, and each speaker holds
    at least one. (Where a speaker peers with all its routers, sessions are the speakers' own column.)"""
    for number, sessions in zip(range(len(component.classes)), columns.sessions, strict=True):
        for column in sessions.values():
            yield Constraint(None, (column, number), (1, -1), 0, at_most=True)
        yield Constraint(None, (*sessions.values(), number), (*(1 for _ in sessions), -1), 0)


def pins(component: Component) -> Iterator[Constraint]:
    """Pinned nodes run a speaker."""
    for number, each in enumerate(component.classes):
        if each.traits.pinned:
            yield at_least(Rule("pins"), [number], len(each.names))


def capacity(component: Component, columns: Columns) -> Iterator[Constraint]:
    """The sessions of a class fit on its speakers. (Where a speaker peers with all its routers, only nodes with
    room for all of them are candidates.)"""
    for number, (each, sessions) in enumerate(zip(component.classes, columns.sessions, strict=True)):
        if each.traits.capacity < len(each.traits.routers):
            factors = *(1 for _ in sessions), -each.traits.capacity
            yield Constraint(Rule("capacity"), (*sessions.values(), number), factors, 0, at_most=True)


def redundancy(router: RouterNeed, held: Held) -> Constraint:
    """A router has at least `needed` sessions, each from a different node (a class has as many sessions with it as
    nodes that hold one)."""
    return at_least(redundancy_rule(router), (column for _, column in held), router.needed)


class Covered:
    """The sessions that coverage alone gives a router: in `total`, and outside of a failure domain."""

    def __init__(self, router: RouterNeed, held: Held) -> None:
        self.numbers = dict(router.racks)
        self.total = sum(self.numbers.values())
        self.inside: dict[tuple[str, str], set[str]] = {}
        for each, _ in held:
            for domain in each.traits.domains:
                self.inside.setdefault(domain, set()).add(each.traits.rack)

    def outside(self, domain: tuple[str, str]) -> int:
        """Those of racks that have no node in the domain."""
        return self.total - sum(self.numbers[rack] for rack in self.inside.get(domain, ()))


def survival(
    router: RouterNeed, held: Held, survive: Sequence[Survive], covered: Covered | None = None
) -> Iterator[Constraint]:
    """For each protected kind: whichever one domain that the router is not in fails, `survivors` sessions come from
    outside it. (Where enough of them are `covered`, that is so anyway.)"""
    for rule, values in survival_rules(router, [each for each, _ in held], survive):
        for value in values:
            if covered and covered.outside((rule.domain, value)) >= rule.number:
                continue
            outside = (column for each, column in held if (rule.domain, value) not in each.traits.domains)
            yield at_least(rule, outside, rule.number)


def coverage(router: RouterNeed, held: Held, terse: bool = False) -> Iterator[Constraint]:
    """Where a speaker announces only its own rack, every rack keeps as many sessions with each of its routers as every
    router does, or as it has eligible nodes attached to it, and one in any case (a rule of its own, as best effort may
    miss the one and not the other)."""
    inside: dict[str, list[int]] = {rack: [] for rack, _ in router.racks}
    for each, column in held if inside else ():
        inside[each.traits.rack].append(column)
    for rule in (*(() if terse else announcement_rules(router)), *coverage_rules(router)):
        yield at_least(rule, inside[rule.domain], rule.number)


def limit(router: RouterNeed, held: Held) -> Iterator[Constraint]:
    """A router holds at most its limit of sessions, and during the change old and new together do."""
    if router.limit is not None:
        rule = Rule("limit", router.name, number=router.limit)
        yield at_most(rule, (column for _, column in held), router.limit)
    if router.spare is not None:
        rule = Rule("change", router.name, number=router.spare)
        new = (column for each, column in held if router.name not in (*each.traits.today, *each.traits.down))
        yield at_most(rule, new, router.spare)


def budget_of_moves(component: Component, columns: Columns, most: int) -> Constraint:
    """The budget of moves: at most so many speakers start or stop on candidates. (One that does not work and stays does
    neither.)"""
    goal = linear_goal("moves", component, columns)
    there = {number for number, each in enumerate(component.classes) if each.traits.broken}
    changing = tuple(column for column, cost in enumerate(goal.costs) if cost and column not in there)
    factors = tuple(goal.costs[column] for column in changing)
    return Constraint(Rule("moves", number=most), changing, factors, most - goal.constant, at_most=True)

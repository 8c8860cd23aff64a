"""The rules by name, in the words of the people who operate them, and by how much sessions miss them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from ..model import Survive
from ..words import plural, rack_named
from .problem import Component, NodeClass, RouterNeed, Solution, Traits

RuleKind = Literal["redundancy", "survival", "announcement", "coverage", "limit", "change", "capacity", "pins", "moves"]
Held = Mapping[str, Sequence[tuple[int, Traits]]]
"""The sessions of each router, as (how many, the traits of their nodes)."""

COUNTED_IN: Mapping[RuleKind, str] = {
    "redundancy": "shortfall",
    "announcement": "shortfall",
    "survival": "exposure",
    "coverage": "exposure",
}
"""The rules that best effort may miss, each with the goal that counts by how much. What leaves nothing at all weighs
more: a rack that is one session short is announced all the same."""


class Rule(Struct, frozen=True, order=True):
    """One rule, for one router where it is about a router, and with the number that it asks for or allows.

    `domain` is the protected kind, or the rack that is announced or covered; of a router's racks together it is "" and
    `number` 0.
    """

    kind: RuleKind
    router: str = ""
    domain: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        """The short name used in shortfalls."""
        if self.kind in ("announcement", "coverage"):
            return f"{self.kind} of {rack_named(self.domain)}"
        return f"survival of {self.domain}" if self.kind == "survival" else self.kind

    @property
    def whole(self) -> Rule:
        """The rule as conflicts name it: those of all racks of a router are one."""
        return Rule("coverage", self.router) if self.kind in ("announcement", "coverage") else self

    def sentence(self) -> str:
        """The rule as a sentence.

        >>> Rule("redundancy", "leaf-7", number=2).sentence()
        'leaf-7 needs 2 sessions, each from a different node'
        """
        match self.kind:
            case "redundancy":
                return f"{self.router} needs {plural(self.number, 'session')}, each from a different node"
            case "survival":
                return f"{self.router} keeps {plural(self.number, 'session')} when any one {self.domain} fails"
            case "announcement" | "coverage":
                return (
                    f"every rack keeps sessions of its own at {self.router}: only its own speakers announce its nodes"
                )
            case "limit":
                return f"{self.router} accepts at most {plural(self.number, 'session')}"
            case "change":
                return (
                    f"{self.router} has room for {plural(self.number, 'new session')} beside today's during the change"
                )
            case "capacity":
                return "no speaker holds more sessions than its node has room for"
            case "pins":
                return "the pinned nodes run a speaker"
            case "moves":
                return f"at most {plural(self.number, 'speaker')} may start or stop"


def redundancy_rule(router: RouterNeed) -> Rule:
    """The rule of redundancy of a router."""
    return Rule("redundancy", router.name, number=router.needed)


def survival_rules(
    router: RouterNeed, attached: Iterable[NodeClass], survive: Sequence[Survive]
) -> list[tuple[Rule, list[str]]]:
    """For every protected kind that can hit the router: the rule, and the domains that its sessions may lose.

    That is each domain which one of its attached classes is in and the router itself is not. Where there is none, but
    a domain elsewhere, the rule only asks for the number of sessions; the value "" stands for that domain. For a router
    that asks for nothing there is no such rule.
    """
    if not router.needed:
        return []
    own, classes = dict(router.domains), list(attached)
    found = []
    for each in survive:
        values = {dict(member.traits.domains).get(each.kind) for member in classes} - {None, own.get(each.kind)}
        near = sorted(value for value in values if value is not None)
        if near or each.kind in router.elsewhere:
            found.append((Rule("survival", router.name, each.kind, each.survivors), near or [""]))
    return found


def coverage_rules(router: RouterNeed) -> list[Rule]:
    """The rules of coverage of a router, one for each of its racks."""
    return [Rule("coverage", router.name, rack, number) for rack, number in router.racks]


def announcement_rules(router: RouterNeed) -> list[Rule]:
    """For each rack of a router that it keeps one session at least. Coverage asks for that anyway, where it must hold;
    where it may be missed, a rack without any session is worse than one that has too few."""
    return [Rule("announcement", router.name, rack, 1) for rack, _ in router.racks]


def soft_rules(component: Component, survive: Sequence[Survive]) -> list[Rule]:
    """The rules that a best-effort placement may miss: redundancy, survival, announcement and coverage."""
    attached: dict[str, list[NodeClass]] = {router.name: [] for router in component.routers}
    for each in component.classes:
        for name in each.traits.routers:
            attached[name].append(each)
    rules = []
    for router in component.routers:
        if router.needed:
            rules.append(redundancy_rule(router))
            rules += [rule for rule, _ in survival_rules(router, attached[router.name], survive)]
            rules += announcement_rules(router) + coverage_rules(router)
    return rules


def shortfall(rule: Rule, router: RouterNeed, having: Iterable[tuple[int, Traits]]) -> int:
    """By how much sessions, given as (count, traits of their nodes), miss a rule of redundancy or survival.

    For survival that is the worst of the domains that the router itself is not in.
    """
    sessions = 0
    inside: dict[str, int] = {}
    for count, traits in having:
        sessions += count
        value = dict(traits.domains).get(rule.domain)
        if value is not None and (rule.domain, value) not in router.domains:
            inside[value] = inside.get(value, 0) + count
    lost = max(inside.values(), default=0) if rule.kind == "survival" else 0
    return max(0, rule.number - sessions + lost)


def sessions_today(component: Component) -> Held:
    """Today's sessions with candidates."""
    held: dict[str, list[tuple[int, Traits]]] = {router.name: [] for router in component.routers}
    for each in component.classes:
        for name in each.traits.today:
            held[name].append((len(each.names), each.traits))
    return held


def sessions_of(component: Component, solution: Solution) -> Held:
    """The sessions of a solution."""
    held: dict[str, list[tuple[int, Traits]]] = {router.name: [] for router in component.routers}
    for each, sessions in zip(component.classes, solution.sessions, strict=True):
        for name, count in zip(each.traits.routers, sessions, strict=True):
            if count:
                held[name].append((count, each.traits))
    return held


def missing(component: Component, survive: Sequence[Survive], held: Held) -> dict[Rule, int]:
    """By how much sessions miss each of the rules that best effort may miss."""
    routers = {router.name: router for router in component.routers}
    of_racks: dict[str, Counter[str]] = {name: Counter() for name, router in routers.items() if router.racks}
    for name, numbers in of_racks.items():
        for count, traits in held[name]:
            numbers[traits.rack] += count
    return {
        rule: max(0, rule.number - of_racks[rule.router][rule.domain])
        if rule.kind in ("announcement", "coverage")
        else shortfall(rule, routers[rule.router], held[rule.router])
        for rule in soft_rules(component, survive)
    }


def shortfalls(component: Component, survive: Sequence[Survive], solution: Solution) -> list[tuple[Rule, int]]:
    """The rules of redundancy, survival, announcement and coverage that a solution misses, and by how much."""
    missed = missing(component, survive, sessions_of(component, solution))
    return [(rule, number) for rule, number in missed.items() if number]


def best_effort_values(component: Component, survive: Sequence[Survive], solution: Solution) -> dict[str, int]:
    """The true values of the goals `worsened`, `shortfall` and `exposure` for a solution."""
    values = {"worsened": 0, "shortfall": 0, "exposure": 0}
    missed = shortfalls(component, survive, solution)
    today = missing(component, survive, sessions_today(component)) if missed else {}
    for rule, number in missed:
        values[COUNTED_IN[rule.kind]] += number
        values["worsened"] += max(0, number - today[rule])
    return values

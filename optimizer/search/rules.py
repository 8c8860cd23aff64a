"""The rules by name, in the words of the people who operate them, and by how much sessions miss them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ..model import Survive
from ..words import plural
from .problem import Component, NodeClass, RouterNeed, Solution, Traits

RuleKind = Literal["redundancy", "survival", "limit", "change", "capacity", "pins", "moves"]


class Rule(Struct, frozen=True, order=True):
    """One rule, for one router where it is about a router, and with the number that it asks for or allows."""

    kind: RuleKind
    router: str = ""
    domain: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        """The short name used in shortfalls."""
        return f"survival of {self.domain}" if self.kind == "survival" else self.kind

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
    a domain elsewhere, the rule only asks for the number of sessions; the value "" stands for that domain.
    """
    own, classes = dict(router.domains), list(attached)
    found = []
    for each in survive:
        values = {dict(member.traits.domains).get(each.kind) for member in classes} - {None, own.get(each.kind)}
        near = sorted(value for value in values if value is not None)
        if near or each.kind in router.elsewhere:
            found.append((Rule("survival", router.name, each.kind, each.survivors), near or [""]))
    return found


def soft_rules(component: Component, survive: Sequence[Survive]) -> list[Rule]:
    """The rules that a best-effort placement may miss: redundancy and survival."""
    rules = []
    for router in component.routers:
        attached = [each for each in component.classes if router.name in each.traits.routers]
        rules.append(redundancy_rule(router))
        rules += [rule for rule, _ in survival_rules(router, attached, survive)]
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


def missing_today(rule: Rule, router: RouterNeed, classes: Iterable[NodeClass]) -> int:
    """By how much today's sessions with candidates miss a rule."""
    held = ((len(each.names), each.traits) for each in classes if rule.router in each.traits.today)
    return shortfall(rule, router, held)


def missing_after(rule: Rule, router: RouterNeed, classes: Sequence[NodeClass], solution: Solution) -> int:
    """By how much a solution's sessions miss a rule."""
    held = (
        (sessions[each.traits.routers.index(rule.router)], each.traits)
        for each, sessions in zip(classes, solution.sessions, strict=True)
        if rule.router in each.traits.routers
    )
    return shortfall(rule, router, held)


def shortfalls(component: Component, survive: Sequence[Survive], solution: Solution) -> list[tuple[Rule, int]]:
    """The rules of redundancy and survival that a solution misses, and by how much."""
    routers = {router.name: router for router in component.routers}
    missed = [
        (rule, missing_after(rule, routers[rule.router], component.classes, solution))
        for rule in soft_rules(component, survive)
    ]
    return [(rule, number) for rule, number in missed if number]


def best_effort_values(component: Component, survive: Sequence[Survive], solution: Solution) -> dict[str, int]:
    """The true values of the goals `worsened`, `shortfall` and `exposure` for a solution."""
    values = {"worsened": 0, "shortfall": 0, "exposure": 0}
    routers = {router.name: router for router in component.routers}
    for rule, number in shortfalls(component, survive, solution):
        values["shortfall" if rule.kind == "redundancy" else "exposure"] += number
        values["worsened"] += max(0, number - missing_today(rule, routers[rule.router], component.classes))
    return values

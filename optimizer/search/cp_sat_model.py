"""The CP-SAT model of one component: variables, one function for each rule, and the goals.

One integer for each class of equal nodes (how many of them run a speaker) and, under `selected` peering, one for each
class and router (how many of these speakers hold a session with it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ortools.sat.python import cp_model

from ..model import Policy, Survive
from .reduce import Component, NodeClass, RouterNeed, Solution
from .rules import Rule, missing_today, redundancy_rule, survival_rules

Expression = cp_model.LinearExpr


class Model:
    """The rules over one component. Rules in `relaxed` get a slack variable, those in `dropped` do not count, and
    with `explain` each rule hangs on a literal, so that assumptions can tell which ones conflict."""

    def __init__(
        self,
        component: Component,
        policy: Policy,
        survive: Sequence[Survive],
        relaxed: Collection[Rule] = (),
        dropped: Collection[Rule] = (),
        explain: bool = False,
    ) -> None:
        self.component, self.policy, self.survive = component, policy, survive
        self.relaxed, self.dropped, self.explain = set(relaxed), set(dropped), explain
        self.cp = cp_model.CpModel()
        self.slack: dict[Rule, cp_model.IntVar] = {}
        self.literals: dict[Rule, cp_model.IntVar] = {}
        self.x = [self.cp.new_int_var(0, len(each.names), "") for each in component.classes]
        self.s = [self.session_variables(number, each) for number, each in enumerate(component.classes)]
        self.held = self.sessions_by_router()
        self.pins()
        self.capacity()
        for router in component.routers:
            self.redundancy(router)
            self.survival(router)
            self.limit(router)
        if policy.max_moves is not None:
            self.at_most(Rule("moves", number=policy.max_moves), self.moves(), policy.max_moves)

    def session_variables(self, number: int, each: NodeClass) -> dict[str, Expression]:
        """Sessions belong to speakers: s <= x, and equal where a speaker peers with all attached routers. A speaker
        holds at least one."""
        x = self.x[number]
        if self.policy.peering == "all-attached" or self.policy.mode != "bgp":
            return dict.fromkeys(each.traits.routers, x)
        s: dict[str, Expression] = {}
        for router in each.traits.routers:
            s[router] = self.cp.new_int_var(0, len(each.names), "")
            self.cp.add(s[router] <= x)
        self.cp.add(total(s.values()) >= x)
        return s

    def sessions_by_router(self) -> dict[str, list[tuple[NodeClass, Expression]]]:
        """For every router the classes attached to it, with their sessions."""
        held: dict[str, list[tuple[NodeClass, Expression]]] = {router.name: [] for router in self.component.routers}
        for each, sessions in zip(self.component.classes, self.s, strict=True):
            for router, variable in sessions.items():
                held[router].append((each, variable))
        return held

    def pins(self) -> None:
        """Pinned nodes run a speaker."""
        for each, x in zip(self.component.classes, self.x, strict=True):
            if each.traits.pinned:
                self.at_least(Rule("pins"), x, len(each.names))

    def capacity(self) -> None:
        """The sessions of a class fit on its speakers (all-attached: the candidates were chosen so that they do)."""
        if self.policy.peering == "selected" and self.policy.mode == "bgp":
            for each, x, s in zip(self.component.classes, self.x, self.s, strict=True):
                if each.traits.capacity < len(each.traits.routers):
                    self.at_most(Rule("capacity"), total(s.values()) - each.traits.capacity * x, 0)

    def redundancy(self, router: RouterNeed) -> None:
        """A router has at least `needed` sessions, each from a different node (as s <= x and x counts nodes)."""
        self.at_least(redundancy_rule(router), total(variable for _, variable in self.held[router.name]), router.needed)

    def survival(self, router: RouterNeed) -> None:
        """For each protected kind: whichever one domain that the router is not in fails, `survivors` sessions come
        from outside it."""
        held = self.held[router.name]
        for rule, values in survival_rules(router, [each for each, _ in held], self.survive):
            for value in values:
                outside = (s for each, s in held if (rule.domain, value) not in each.traits.domains)
                self.at_least(rule, total(outside), rule.number)

    def limit(self, router: RouterNeed) -> None:
        """A router holds at most its limit of sessions, and during the change old and new together do."""
        held = self.held[router.name]
        if router.limit is not None:
            rule = Rule("limit", router.name, number=router.limit)
            self.at_most(rule, total(s for _, s in held), router.limit)
        if router.spare is not None:
            rule = Rule("change", router.name, number=router.spare)
            self.at_most(rule, total(s for each, s in held if router.name not in each.traits.today), router.spare)

    def solution(self, solver: cp_model.CpSolver) -> Solution:
        """The solution that a search has found."""
        return Solution(
            tuple(solver.value(x) for x in self.x),
            tuple(
                tuple(solver.value(sessions[router]) for router in each.traits.routers)
                for each, sessions in zip(self.component.classes, self.s, strict=True)
            ),
        )

    def suggest(self, solution: Solution) -> None:
        """Let a search start from a solution."""
        for number, each in enumerate(self.component.classes):
            self.cp.add_hint(self.x[number], solution.speakers[number])
            for router, count in zip(each.traits.routers, solution.sessions[number], strict=True):
                variable = self.s[number][router]
                if variable is not self.x[number] and isinstance(variable, cp_model.IntVar):
                    self.cp.add_hint(variable, count)

    def at_least(self, rule: Rule, left: Expression, right: int) -> None:
        """Add left >= right under the rule."""
        self.add(rule, left + self.slack_of(rule) >= right if rule in self.relaxed else left >= right)

    def at_most(self, rule: Rule, left: Expression, right: int) -> None:
        """Add left <= right under the rule."""
        self.add(rule, left <= right + self.slack_of(rule) if rule in self.relaxed else left <= right)

    def add(self, rule: Rule, constraint: cp_model.BoundedLinearExpression | bool) -> None:
        """Add a constraint under the rule."""
        if rule in self.dropped:
            return
        added = self.cp.add(constraint)
        added.with_name(rule.kind)
        if self.explain:
            if rule not in self.literals:
                self.literals[rule] = self.cp.new_bool_var("")
            added.only_enforce_if(self.literals[rule])

    def slack_of(self, rule: Rule) -> cp_model.IntVar:
        """By how much a relaxed rule is missed; shared by all its constraints."""
        if rule not in self.slack:
            most = 1 + sum(len(each.names) * max(1, len(each.traits.routers)) for each in self.component.classes)
            self.slack[rule] = self.cp.new_int_var(0, max(most, rule.number), "")
        return self.slack[rule]

    def moves(self) -> Expression:
        """Speakers that start or stop on candidates; those that must leave other nodes are no choice of ours."""
        return total(
            len(each.names) - x if each.traits.runs else x
            for each, x in zip(self.component.classes, self.x, strict=True)
            if not each.traits.retained
        )

    def session_moves(self) -> Expression:
        """Sessions opened or closed on speakers that run today and stay."""
        changed = []
        for each, x, sessions in zip(self.component.classes, self.x, self.s, strict=True):
            if each.traits.runs:
                changed += [x - s if router in each.traits.today else s for router, s in sessions.items()]
        return total(changed)

    def worsened(self) -> Expression:
        """By how much rules that are missed today are missed more afterwards."""
        more, routers = [], {router.name: router for router in self.component.routers}
        for rule, slack in self.slack.items():
            excess = self.cp.new_int_var(0, max(rule.number, 1), "")
            before = missing_today(rule, routers[rule.router], self.component.classes)
            self.cp.add(excess >= slack - before)
            more.append(excess)
        return total(more)

    def goal(self, name: str) -> Expression:
        """The value of a goal, to be made as small as possible."""
        classes = zip(self.component.classes, self.x, strict=True)
        match name:
            case "worsened":
                return self.worsened()
            case "shortfall":
                return total(slack for rule, slack in self.slack.items() if rule.kind == "redundancy")
            case "exposure":
                return total(slack for rule, slack in self.slack.items() if rule.kind == "survival")
            case "retained":
                return total(x for each, x in classes if each.traits.retained)
            case "sessions":
                return total(variable for sessions in self.s for variable in sessions.values())
            case "speakers":
                return total(self.x)
            case "moves":
                return self.moves()
            case "sessionMoves":
                return self.session_moves()
            case _:
                return total(each.traits.cost * x for each, x in classes)


def total(terms: Iterable[Expression]) -> Expression:
    """The sum of expressions, as one flat expression."""
    return cp_model.LinearExpr.sum(list(terms))

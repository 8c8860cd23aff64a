"""The CP-SAT model of one component: its columns as variables, its constraints, and the goals.

One integer for each class of equal nodes (how many of them run a speaker) and, under `selected` peering, one for each
class and router (how many of these speakers hold a session with it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ortools.sat.python import cp_model

from ..model import Policy, Survive
from .columns import columns_of
from .constraints import Constraint, constraints
from .goals import linear_goal
from .problem import Component, Solution
from .rules import COUNTED_IN, Rule, missing, sessions_today

Expression = cp_model.LinearExpr


class ComponentModel:
    """The rules over one component. Rules in `relaxed` get a slack variable, those in `dropped` do not count, and
    with `explain` each rule hangs on a literal, so that assumptions show which ones conflict. One that is not relaxed
    goes by its `whole`."""

    def __init__(
        self,
        component: Component,
        policy: Policy,
        survive: Sequence[Survive],
        relaxed: Collection[Rule] = (),
        dropped: Collection[Rule] = (),
        explain: bool = False,
    ) -> None:
        self.component, self.survive = component, survive
        self.relaxed, self.dropped, self.explain = set(relaxed), set(dropped), explain
        self.cp = cp_model.CpModel()
        self.slack: dict[Rule, cp_model.IntVar] = {}
        self.literals: dict[Rule, cp_model.IntVar] = {}
        self.columns = columns_of(component, policy)
        self.variables = [self.cp.new_int_var(0, most, "") for most in self.columns.upper]
        terse = not (self.relaxed or self.dropped or explain)
        for constraint in constraints(component, policy, survive, self.columns, terse):
            self.add(constraint)

    def add(self, constraint: Constraint) -> None:
        """Add a constraint under its rule."""
        rule, right = constraint.rule, constraint.number
        if rule is not None and rule not in self.relaxed:
            rule = rule.whole
        left = self.weighted_sum(constraint.columns, constraint.coefficients)
        if rule is None:
            self.cp.add(left <= right if constraint.at_most else left >= right)
        elif rule not in self.dropped:
            slack = self.slack_of(rule) if rule in self.relaxed else 0
            added = self.cp.add(left <= right + slack if constraint.at_most else left + slack >= right)
            if self.explain:
                if rule not in self.literals:
                    self.literals[rule] = self.cp.new_bool_var("")
                added.only_enforce_if(self.literals[rule])

    def weighted_sum(self, columns: Iterable[int], coefficients: Sequence[int]) -> Expression:
        """The sum of coefficient times column."""
        return cp_model.LinearExpr.weighted_sum([self.variables[column] for column in columns], coefficients)

    def slack_of(self, rule: Rule) -> cp_model.IntVar:
        """By how much a relaxed rule is missed; shared by all its constraints."""
        if rule not in self.slack:
            most = rule.number  # that many are missing where there are none
            if rule.kind not in COUNTED_IN:
                most += 1 + sum(len(each.names) * max(1, len(each.traits.routers)) for each in self.component.classes)
            self.slack[rule] = self.cp.new_int_var(0, most, "")
        return self.slack[rule]

    def goal(self, name: str) -> Expression:
        """The value of a goal, to be made as small as possible."""
        match name:
            case "worsened":
                return self.worsened()
            case "shortfall" | "exposure":
                return total(slack for rule, slack in self.slack.items() if COUNTED_IN[rule.kind] == name)
            case _:
                goal = linear_goal(name, self.component, self.columns)
                return self.weighted_sum(range(len(goal.costs)), goal.costs) + goal.constant

    def worsened(self) -> Expression:
        """By how much rules that are missed today are missed more afterwards."""
        more, today = [], missing(self.component, self.survive, sessions_today(self.component))
        for rule, slack in self.slack.items():
            excess = self.cp.new_int_var(0, max(rule.number, 1), "")
            self.cp.add(excess >= slack - today[rule])
            more.append(excess)
        return total(more)

    def suggest(self, solution: Solution) -> None:
        """Let a search start from a solution."""
        for number, sessions in enumerate(self.columns.sessions):
            self.cp.add_hint(self.variables[number], solution.speakers[number])
            for column, count in zip(sessions.values(), solution.sessions[number], strict=True):
                if column != number:
                    self.cp.add_hint(self.variables[column], count)

    def solution(self, solver: cp_model.CpSolver) -> Solution:
        """The solution that a search has found."""
        x = [solver.value(variable) for variable in self.variables]
        return Solution(
            tuple(x[: len(self.component.classes)]),
            tuple(tuple(x[column] for column in sessions.values()) for sessions in self.columns.sessions),
        )


def total(variables: Iterable[cp_model.IntVar]) -> Expression:
    """The sum of variables, as one flat expression."""
    return cp_model.LinearExpr.sum(list(variables))

"""Improving a choice of columns by CP-SAT: on what may still be better, or around the choice it has.

Large neighbourhoods: P. Shaw, Using constraint programming and local search methods to solve vehicle routing problems
(1998).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from ortools.sat.python import cp_model

from ..clock import Clock
from ..cp_sat_search import FOUND, CpSatSearch
from ..goals import LinearGoal
from .program import Covering, Row, rows_by_column

COLUMNS = 500
"""How many columns a neighbourhood may put in: enough that sub-problems stay at about a second."""

CALM = 0.3
"""How much chance counts at first beside reduced costs, of which the largest counts one."""


class Outcome(Struct, frozen=True):
    """What a search found: a better choice, if any, and what every better choice costs at least; `done` where the
    search is complete, so that nothing better than its choice exists."""

    x: tuple[int, ...] | None
    bound: int
    done: bool


class Trial:
    """A search through the choices that differ from `x` in the columns `free` only and whose goal is at most `most`.

    `effort` is CP-SAT's deterministic time; without it the first choice will do.
    """

    def __init__(
        self,
        covering: Covering,
        goal: LinearGoal,
        x: Sequence[int],
        free: Iterable[int],
        most: int,
        clock: Clock,
        effort: float | None = None,
        seed: int = 0,
    ) -> None:
        self.x, self.most = x, most
        model = cp_model.CpModel()
        self.variables = variables = {
            column: model.new_int_var(covering.lower[column], covering.upper[column], "")
            for column in sorted(free)
            if covering.upper[column] > covering.lower[column]
        }
        add_rules(model, covering, x, variables)
        costs = weighted([(variable, goal.costs[column]) for column, variable in variables.items()])
        outside = sum(cost * x[column] for column, cost in enumerate(goal.costs) if cost and column not in variables)
        model.add(costs + goal.constant + outside <= most)
        model.minimize(costs + goal.constant + outside)
        if goal.value(x) <= most:  # else x is no choice to start from, and as a hint it was seen to lead astray
            for column, variable in variables.items():
                model.add_hint(variable, x[column])
        self.search = CpSatSearch(model, clock, effort=effort, seed=seed)

    def outcome(self) -> Outcome:
        """What the search has found, once it is over."""
        status, least = self.search.wait(), self.most + 1
        if status == cp_model.INFEASIBLE:
            return Outcome(None, least, True)
        bound = min(least, math.ceil(self.search.solver.best_objective_bound - 1e-6))
        if status not in FOUND:
            return Outcome(None, bound, False)
        found = list(self.x)
        for column, variable in self.variables.items():
            found[column] = self.search.solver.value(variable)
        return Outcome(tuple(found), bound, status == cp_model.OPTIMAL)


def add_rules(
    model: cp_model.CpModel, covering: Covering, x: Sequence[int], variables: Mapping[int, cp_model.IntVar]
) -> None:
    """Add the rules over the columns that have a variable; the others are as in `x`."""

    def fixed(columns: Sequence[int]) -> int:
        return sum(x[column] for column in columns if column not in variables)

    def free(row: Row) -> cp_model.LinearExpr:
        return cp_model.LinearExpr.sum([variables[column] for column in row.columns if column in variables])

    for row in (*covering.rows, *covering.survival):
        if row.number > (held := fixed(row.columns)):
            model.add(free(row) >= row.number - held)
    for cap in covering.caps:
        model.add(free(cap) <= cap.number - fixed(cap.columns))
    for rule in covering.linear:
        terms = list(zip(rule.columns, rule.coefficients, strict=True))
        moving = [(variables[column], factor) for column, factor in terms if column in variables]
        rest = sum(x[column] * factor for column, factor in terms if column not in variables)
        model.add(weighted(moving) <= rule.most - rest)


def weighted(terms: Sequence[tuple[cp_model.IntVar, int]]) -> cp_model.LinearExpr:
    """The sum of coefficient times variable."""
    return cp_model.LinearExpr.weighted_sum([variable for variable, _ in terms], [factor for _, factor in terms])


class Neighbourhoods:
    """Large-neighbourhood search: part of the chosen columns are let go, those that the linear relaxation finds dear
    more often, and CP-SAT fills what they leave open. How large a part adapts, so that most searches just finish."""

    def __init__(self, covering: Covering, goal: LinearGoal, reduced: Sequence[int], seed: int = 0) -> None:
        self.covering, self.goal, self.reduced = covering, goal, reduced
        self.rows = (*covering.rows, *covering.survival)
        self.rows_of = rows_by_column(self.rows, len(covering.upper))
        self.caps_of = rows_by_column(covering.caps, len(covering.upper))
        self.spread = max((abs(cost) for cost in reduced), default=0) or 1
        self.draw = random.Random(seed)  # noqa: S311 - no secret is drawn
        self.part, self.noise = 0.3, CALM
        self.turn = 0

    def around(self, x: Sequence[int]) -> set[int]:
        """The columns of the next neighbourhood of a choice."""
        self.turn += 1
        on = [column for column, value in enumerate(x) if value > self.covering.lower[column]]
        key = {column: self.reduced[column] / self.spread + self.noise * self.draw.random() for column in on}
        gone = set(sorted(on, key=lambda column: (-key[column], column))[: max(2, round(self.part * len(on)))])
        left = {column: value for column, value in enumerate(x) if value and column not in gone}
        need = [row.number for row in self.rows]
        room = [cap.number for cap in self.covering.caps]
        for column, value in left.items():
            for row in self.rows_of[column]:
                need[row] -= value
            for cap in self.caps_of[column]:
                room[cap] -= value
        open_rows = {row for row, number in enumerate(need) if number > 0}
        fitting: set[int] = set()
        for row in sorted(open_rows):
            fitting.update(self.rows[row].columns)
        ranked = []
        for column in sorted(fitting - gone):
            if x[column] < self.covering.upper[column] and all(room[cap] > 0 for cap in self.caps_of[column]):
                helps = sum(row in open_rows for row in self.rows_of[column])
                ranked.append((self.goal.costs[column] / helps, self.draw.random(), column))
        ranked.sort()
        return gone | {column for *_, column in ranked[:COLUMNS]}

    def learn(self, done: bool, won: bool) -> None:
        """Larger parts after a search that finished, smaller ones after one that did not; after one that won nothing
        chance counts more in what is let go."""
        self.part = min(0.95, self.part * 1.03) if done else max(0.02, self.part * 0.95)
        self.noise = max(CALM, self.noise / 2) if won else min(20.0, self.noise * 1.1)

"""Lower bounds from the linear relaxation, and what they rule out.

GLOP solves the relaxation in floating point. What is concluded from it is exact all the same: any dual prices that are
not negative give a valid bound (weak duality), so its prices are rounded to integers over SCALE and the bound and the
reduced costs are computed from these in integers (A. Neumaier, O. Shcherbina, Safe bounds in linear and mixed-integer
linear programming, 2004, in the form for bounded variables).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from msgspec import Struct, structs
from ortools.linear_solver import pywraplp

from ..clock import Clock
from ..goals import LinearGoal
from .program import Covering, Linear, Row, rows_by_column

SCALE = 1 << 24


class Prices(Struct, frozen=True):
    """Dual prices over SCALE, none negative: one for each row, survival row, cap, and other linear rule."""

    rows: tuple[int, ...]
    survival: tuple[int, ...]
    caps: tuple[int, ...]
    linear: tuple[int, ...]


class Relaxation(Struct, frozen=True):
    """What the linear relaxation of a goal proves: the goal without its constant is at least `bound` / SCALE, and
    exceeds that by at least `reduced`[j] / SCALE for each step of column j away from the bound where it costs less.

    `values` are the columns of the relaxation's own choice, not whole in general; empty where there is none.
    """

    bound: int
    reduced: tuple[int, ...]
    prices: Prices
    values: tuple[float, ...] = ()

    def least(self, goal: LinearGoal) -> int:
        """The goal's value is at least this."""
        return -(-self.bound // SCALE) + goal.constant


def even(covering: Covering, goal: LinearGoal) -> Relaxation:
    """What can be proved without a solver: a column's cost is spread evenly over its rows, and each row's price is the
    least share of its columns, so that no column's reduced cost is below zero. Exact for sessions under `all-attached`
    where each router can have just as many as it needs: there every share is one.

    >>> program = Covering((0, 0), (1, 1), (Row((0, 1), 1), Row((1,), 1)))
    >>> even(program, LinearGoal("sessions", (1, 2))).least(LinearGoal("sessions", (1, 2)))
    2
    """
    rows_of = rows_by_column(covering.rows, len(goal.costs))
    share = [max(0, cost) * SCALE // max(1, len(inside)) for cost, inside in zip(goal.costs, rows_of, strict=True)]
    rows = tuple(min((share[column] for column in row.columns), default=0) for row in covering.rows)
    none = [(0,) * len(each) for each in (covering.survival, covering.caps, covering.linear)]
    return from_prices(covering, goal, Prices(rows, *none))


def relax(covering: Covering, goal: LinearGoal, clock: Clock) -> Relaxation:
    """The linear relaxation of a goal; the even bound where GLOP does not finish in time.

    Rules of survival are added where they are missed, as long as that raises the bound: there are six times as many
    of them as other rows on a network of six zones, and hardly any of them matters.
    """
    program, best = LinearProgram(covering, goal), even(covering, goal)
    while solved(program.solver, clock):
        at = tuple(column.solution_value() for column in program.columns)
        found = structs.replace(from_prices(covering, goal, program.prices()), values=at)
        raised = not program.survival or found.least(goal) > best.least(goal)
        best = max(best, found, key=lambda relaxation: relaxation.bound)
        if not raised or not program.add_missed(at):
            break
    return best


class LinearProgram:
    """The linear relaxation of a goal for GLOP, with those rules of survival only that were added."""

    def __init__(self, covering: Covering, goal: LinearGoal) -> None:
        self.covering, self.solver = covering, pywraplp.Solver.CreateSolver("GLOP")
        bounds = zip(covering.lower, covering.upper, strict=True)
        self.columns = [self.solver.NumVar(low, high, "") for low, high in bounds]
        objective = self.solver.Objective()  # GLOP minimizes by default
        for column, cost in enumerate(goal.costs):
            objective.SetCoefficient(self.columns[column], cost)
        infinity = self.solver.infinity()
        self.rows = [self.add(row, row.number, infinity) for row in covering.rows]
        self.caps = [self.add(cap, -infinity, cap.number) for cap in covering.caps]
        self.linear = [self.add(rule, -infinity, rule.most) for rule in covering.linear]
        self.survival: dict[int, pywraplp.Constraint] = {}

    def add(self, rule: Row | Linear, least: float, most: float) -> pywraplp.Constraint:
        """Add a rule whose sum is between two bounds."""
        row = self.solver.RowConstraint(least, most, "")
        factors = rule.coefficients if isinstance(rule, Linear) else (1,) * len(rule.columns)
        for column, factor in zip(rule.columns, factors, strict=True):
            row.SetCoefficient(self.columns[column], factor)
        return row

    def add_missed(self, at: Sequence[float]) -> bool:
        """Add the rules of survival that values of the columns miss; whether there are any."""
        missed = [
            number
            for number, row in enumerate(self.covering.survival)
            if number not in self.survival and sum(at[column] for column in row.columns) < row.number - 1e-6
        ]
        for number in missed:
            row = self.covering.survival[number]
            self.survival[number] = self.add(row, row.number, self.solver.infinity())
        return bool(missed)

    def prices(self) -> Prices:
        """The dual prices of the optimum."""
        every = range(len(self.covering.survival))
        return Prices(
            tuple(price(row.dual_value()) for row in self.rows),
            tuple(price(self.survival[n].dual_value()) if n in self.survival else 0 for n in every),
            tuple(price(-cap.dual_value()) for cap in self.caps),
            tuple(price(-rule.dual_value()) for rule in self.linear),
        )


def solved(solver: pywraplp.Solver, clock: Clock) -> bool:
    """Whether GLOP finds the optimum in time. It runs in a thread, so that Ctrl-C can end the time meanwhile."""
    outcome: list[int] = []
    thread = threading.Thread(target=lambda: outcome.append(solver.Solve()), daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        if clock.over:
            solver.InterruptSolve()
    return outcome == [pywraplp.Solver.OPTIMAL]


def price(value: float) -> int:
    """A dual price over SCALE; never negative, and nothing where GLOP has no number."""
    return max(0, round(value * SCALE)) if math.isfinite(value) else 0


def from_prices(covering: Covering, goal: LinearGoal, prices: Prices) -> Relaxation:
    """The bound and the reduced costs that prices prove, in integers.

    The reduced cost of a column is its cost less the prices of its rows plus those of its caps; the bound is the sum
    of price times number over the rows less that over the caps, plus for each column its reduced cost at the bound
    where it costs less.

    Two nodes of cost 3 and 5 cover a router that needs one; its price may be 3:

    >>> program = Covering((0, 0), (1, 1), (Row((0, 1), 1),))
    >>> found = from_prices(program, LinearGoal("cost", (3, 5)), Prices((3 * SCALE,), (), (), ()))
    >>> found.bound // SCALE, [cost // SCALE for cost in found.reduced]
    (3, [0, 2])
    """
    reduced = [cost * SCALE for cost in goal.costs]
    bound = 0
    for row, cost in zip((*covering.rows, *covering.survival), (*prices.rows, *prices.survival), strict=True):
        if cost:
            bound += cost * row.number
            for column in row.columns:
                reduced[column] -= cost
    for cap, cost in zip(covering.caps, prices.caps, strict=True):
        if cost:
            bound -= cost * cap.number
            for column in cap.columns:
                reduced[column] += cost
    for rule, cost in zip(covering.linear, prices.linear, strict=True):
        if cost:
            bound -= cost * rule.most
            for column, factor in zip(rule.columns, rule.coefficients, strict=True):
                reduced[column] += cost * factor
    for column, cost in enumerate(reduced):
        if cost:
            bound += cost * (covering.lower[column] if cost > 0 else covering.upper[column])
    return Relaxation(bound, tuple(reduced), prices)


def narrowed(covering: Covering, goal: LinearGoal, relaxation: Relaxation, most: int) -> Covering | None:
    """The program narrowed to the choices whose goal is at most `most`; None where the bound rules all of them out.

    The goal exceeds the bound by reduced cost times each column's distance from its cheaper bound, plus price times
    each row's surplus. So a column moves at most gap / reduced cost, and a row whose price exceeds the gap has no
    surplus: it is a cap as well.

    Of the two nodes above only the first can be in a choice that costs at most 4:

    >>> program, goal = Covering((0, 0), (1, 1), (Row((0, 1), 1),)), LinearGoal("cost", (3, 5))
    >>> found = from_prices(program, goal, Prices((3 * SCALE,), (), (), ()))
    >>> narrowed(program, goal, found, 4).upper
    (1, 0)
    >>> narrowed(program, goal, found, 2) is None
    True
    """
    gap = (most - goal.constant) * SCALE - relaxation.bound
    if gap < 0:
        return None
    lower, upper = list(covering.lower), list(covering.upper)
    for column, cost in enumerate(relaxation.reduced):
        if cost > 0:
            upper[column] = min(upper[column], lower[column] + gap // cost)
        elif cost < 0:
            lower[column] = max(lower[column], upper[column] - gap // -cost)
    every = (*covering.rows, *covering.survival)
    prices = (*relaxation.prices.rows, *relaxation.prices.survival)
    caps = [row for row, cost in zip(every, prices, strict=True) if cost > gap]
    rows = [cap for cap, cost in zip(covering.caps, relaxation.prices.caps, strict=True) if cost > gap]
    known = (set(covering.caps), set(covering.rows))
    return structs.replace(
        covering,
        lower=tuple(lower),
        upper=tuple(upper),
        caps=(*covering.caps, *(cap for cap in caps if cap not in known[0])),
        rows=(*covering.rows, *(row for row in rows if row not in known[1])),
    )


def with_goal_at_most(covering: Covering, goal: LinearGoal, value: int) -> Covering:
    """The program with the goal's value bounded."""
    columns = tuple(column for column, cost in enumerate(goal.costs) if cost)
    rule = Linear(columns, tuple(goal.costs[column] for column in columns), value - goal.constant)
    return structs.replace(covering, linear=(*covering.linear, rule))

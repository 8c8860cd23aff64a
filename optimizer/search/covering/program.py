"""The search for speakers as a covering program, for components that are large and irregular.

A column is a class of equal nodes, its value the number of speakers in it; a row is a rule that asks for at least so
many speakers among its columns, a cap one that allows at most so many. Under `all-attached` that is the whole problem.
Under `selected` it is a relaxation: a session needs its speaker, so whatever sessions keep the rules, their speakers
cover the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from ..cp_sat_model import Model

UNBOUNDED = 1 << 62
"""Beyond this CP-SAT's proto means that a side of a constraint is open."""


class Row(Struct, frozen=True):
    """Columns, by number, whose sum is at least (a row) or at most (a cap) `number`."""

    columns: tuple[int, ...]
    number: int


class Linear(Struct, frozen=True):
    """Any other linear rule: the sum of coefficient times column is at most `most`."""

    columns: tuple[int, ...]
    coefficients: tuple[int, ...]
    most: int


class Goal(Struct, frozen=True):
    """What a goal counts: the sum of cost times column, plus a constant. One cost for every column."""

    name: str
    costs: tuple[int, ...]
    constant: int = 0

    def value(self, x: Sequence[int]) -> int:
        """The goal's value for a choice of columns."""
        return self.constant + sum(cost * x[column] for column, cost in enumerate(self.costs) if cost)


class Covering(Struct, frozen=True):
    """Bounds of the columns, rows, caps and other rules. `survival` are rows as well, apart because there are many of
    them and few of them bind."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    rows: tuple[Row, ...] = ()
    survival: tuple[Row, ...] = ()
    caps: tuple[Row, ...] = ()
    linear: tuple[Linear, ...] = ()

    def keeps(self, x: Sequence[int]) -> bool:
        """Whether a choice of columns keeps every rule."""
        return (
            all(low <= value <= high for low, value, high in zip(self.lower, x, self.upper, strict=True))
            and all(sum(x[column] for column in row.columns) >= row.number for row in (*self.rows, *self.survival))
            and all(sum(x[column] for column in cap.columns) <= cap.number for cap in self.caps)
            and all(
                sum(x[column] * factor for column, factor in zip(rule.columns, rule.coefficients, strict=True))
                <= rule.most
                for rule in self.linear
            )
        )


def read(model: Model, names: Sequence[str]) -> tuple[Covering, list[Goal]] | None:
    """The program that a model over speakers alone stands for, and its goals; None where a rule has no linear form."""
    goals = [read_goal(model, name) for name in names]
    proto = model.cp.proto
    lower = [variable.domain[0] for variable in proto.variables]
    upper = [variable.domain[1] for variable in proto.variables]
    rows: list[Row] = []
    survival: list[Row] = []
    caps: list[Row] = []
    linear: list[Linear] = []
    for constraint in proto.constraints:
        if not constraint.has_linear():
            return None
        columns, factors = tuple(constraint.linear.vars), tuple(constraint.linear.coeffs)
        least, most = constraint.linear.domain
        plain = all(factor == 1 for factor in factors)
        if least > -UNBOUNDED:
            if plain:
                (survival if constraint.name == "survival" else rows).append(Row(columns, least))
            else:
                linear.append(Linear(columns, tuple(-factor for factor in factors), -least))
        if most < UNBOUNDED:
            if plain:
                caps.append(Row(columns, most))
            else:
                linear.append(Linear(columns, factors, most))
    return Covering(tuple(lower), tuple(upper), tuple(rows), tuple(survival), tuple(caps), tuple(linear)), goals


def read_goal(model: Model, name: str) -> Goal:
    """A goal of the model."""
    model.cp.minimize(model.goal(name))
    objective = model.cp.proto.objective
    costs = [0] * len(model.cp.proto.variables)
    for column, cost in zip(objective.vars, objective.coeffs, strict=True):
        costs[column] += cost
    return Goal(name, tuple(costs), round(objective.offset))


def without_dominated(covering: Covering, goals: Sequence[Goal]) -> Covering:
    """The program with columns set to their lower bound that some best choice can do without.

    Column i dominates column j if it is in every row that j is in, in no cap that j is not in, in no other rule, and
    costs no more under any goal. Let K be the largest number that a row of j asks for. If the upper bounds of the
    columns that dominate j add up to K or more, and j costs nothing below zero and has no lower bound, j can go: of
    the best choices take one with the least j, and say j > 0. If some dominating i is below its upper bound, then
    i + 1 and j - 1 keep every row and cap and cost no more. If all are at their upper bounds, each row of j holds K
    besides j, so j - 1 is enough. Either contradicts the least j. One column after another goes from what is left, so
    each step is safe by itself.

    With two nodes equal but for the cost, each asked for by a row of one:

    >>> program = Covering((0, 0), (1, 1), (Row((0, 1), 1),))
    >>> without_dominated(program, [Goal("cost", (3, 2))]).upper
    (0, 1)
    """
    every = (*covering.rows, *covering.survival)
    rows_of = list(map(set, members(every, len(covering.upper))))
    caps_of = list(map(set, members(covering.caps, len(covering.upper))))
    barred = {column for rule in covering.linear for column in rule.columns}
    costs = [tuple(goal.costs[column] for goal in goals) for column in range(len(covering.upper))]
    upper = list(covering.upper)
    for column in range(len(upper)):
        if not rows_of[column] or covering.lower[column] or column in barred or min(costs[column], default=0) < 0:
            continue
        most = max(every[row].number for row in rows_of[column])
        shortest = min(rows_of[column], key=lambda row: len(every[row].columns))
        room = 0
        for other in every[shortest].columns:
            if (
                other != column
                and upper[other]
                and other not in barred
                and rows_of[other] >= rows_of[column]
                and caps_of[other] <= caps_of[column]
                and all(mine <= yours for mine, yours in zip(costs[other], costs[column], strict=True))
            ):
                room += upper[other]
                if room >= most:
                    upper[column] = 0
                    break
    return structs.replace(covering, upper=tuple(upper))


def members(rows: Sequence[Row], columns: int) -> list[list[int]]:
    """For every column the numbers of the rows it is in, in order."""
    found: list[list[int]] = [[] for _ in range(columns)]
    for number, row in enumerate(rows):
        for column in row.columns:
            found[column].append(number)
    return found


def weighed(goals: Sequence[Goal], upper: Sequence[int]) -> list[int]:
    """One cost for every column that ranks choices as the goals do in turn: a step in one outweighs all later ones.

    Only for the heuristics; proofs take the goals one after another.

    >>> weighed([Goal("sessions", (2, 3)), Goal("speakers", (1, 1))], (1, 1))
    [7, 10]
    """
    costs = [0] * len(upper)
    for goal in goals:
        reach = 1 + sum(abs(cost) * most for cost, most in zip(goal.costs, upper, strict=True))
        costs = [cost * reach + own for cost, own in zip(costs, goal.costs, strict=True)]
    return costs

"""The search for speakers as a covering program, for components that are large and irregular.

A column is a class of equal nodes, its value the number of speakers in it; a row is a rule that asks for at least so
many speakers among its columns, a cap one that allows at most so many. Under `all-attached` that is the whole problem.
Under `selected` it is a relaxation: a session needs its speaker, so whatever sessions keep the rules, their speakers
cover the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from ...model import Policy, Survive
from ..columns import columns_of
from ..constraints import constraints
from ..goals import LinearGoal
from ..problem import Component


class Row(Struct, frozen=True):
    """Columns, by number, whose sum is at least (a row) or at most (a cap) `number`."""

    columns: tuple[int, ...]
    number: int


class Linear(Struct, frozen=True):
    """Any other linear rule: the sum of coefficient times column is at most `most`."""

    columns: tuple[int, ...]
    coefficients: tuple[int, ...]
    most: int


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


def covering_program(component: Component, policy: Policy, survive: Sequence[Survive]) -> Covering:
    """The rules of a component whose speakers peer with all their routers, as a covering program over its classes.

    Two nodes in two racks, one router that needs both, and still one where a rack fails:

    >>> from optimizer.search.problem import NodeClass, RouterNeed, Traits
    >>> router, traits = RouterNeed("leaf", 2), Traits(("leaf",), (("rack", "a"),), 1, 0, False, (), False)
    >>> classes = NodeClass(traits, ("n1",)), NodeClass(structs.replace(traits, domains=(("rack", "b"),)), ("n2",))
    >>> program = covering_program(Component((router,), classes), Policy(), (Survive("rack"),))
    >>> program.rows, program.survival
    ((Row(columns=(0, 1), number=2),), (Row(columns=(1,), number=1), Row(columns=(0,), number=1)))
    """
    columns = columns_of(component, policy)
    # Of rows over the same columns, such as those of routers to which the same racks are attached, the most counts.
    rows: dict[tuple[int, ...], int] = {}
    survival: list[Row] = []
    caps: list[Row] = []
    linear: list[Linear] = []
    for each in constraints(component, policy, survive, columns, terse=True):
        if any(factor != 1 for factor in each.coefficients):
            sign = 1 if each.at_most else -1
            factors = tuple(sign * factor for factor in each.coefficients)
            linear.append(Linear(each.columns, factors, sign * each.number))
        elif each.at_most:
            caps.append(Row(each.columns, each.number))
        elif each.rule and each.rule.kind == "survival":
            survival.append(Row(each.columns, each.number))
        else:
            rows[each.columns] = max(each.number, rows.get(each.columns, 0))
    lower = (0,) * len(columns.upper)
    asked = tuple(Row(inside, number) for inside, number in rows.items())
    return Covering(lower, columns.upper, asked, tuple(survival), tuple(caps), tuple(linear))


def without_dominated(covering: Covering, goals: Sequence[LinearGoal]) -> Covering:
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
    >>> without_dominated(program, [LinearGoal("cost", (3, 2))]).upper
    (0, 1)
    """
    every = (*covering.rows, *covering.survival)
    rows_of = list(map(set, rows_by_column(every, len(covering.upper))))
    caps_of = list(map(set, rows_by_column(covering.caps, len(covering.upper))))
    barred = {column for rule in covering.linear for column in rule.columns}
    costs = [tuple(goal.costs[column] for goal in goals) for column in range(len(covering.upper))]
    upper = list(covering.upper)

    def dominates(other: int, column: int) -> bool:
        return (
            upper[other] > 0
            and other not in barred
            and rows_of[other] >= rows_of[column]
            and caps_of[other] <= caps_of[column]
            and all(mine <= yours for mine, yours in zip(costs[other], costs[column], strict=True))
        )

    for column in range(len(upper)):
        if not rows_of[column] or covering.lower[column] or column in barred or min(costs[column], default=0) < 0:
            continue
        most = max(every[row].number for row in rows_of[column])
        shortest = min(rows_of[column], key=lambda row: len(every[row].columns))
        room = 0
        for other in every[shortest].columns:
            if other != column and dominates(other, column):
                room += upper[other]
                if room >= most:
                    upper[column] = 0
                    break
    return structs.replace(covering, upper=tuple(upper))


def rows_by_column(rows: Sequence[Row], columns: int) -> list[list[int]]:
    """For every column the numbers of the rows it is in, in order."""
    found: list[list[int]] = [[] for _ in range(columns)]
    for number, row in enumerate(rows):
        for column in row.columns:
            found[column].append(number)
    return found


def weighed(goals: Sequence[LinearGoal], upper: Sequence[int]) -> list[int]:
    """One cost for every column that ranks choices as the goals do in turn: a step in one outweighs all later ones.

    Only for the heuristics; proofs take the goals one after another.

    >>> weighed([LinearGoal("sessions", (2, 3)), LinearGoal("speakers", (1, 1))], (1, 1))
    [7, 10]
    """
    costs = [0] * len(upper)
    for goal in goals:
        reach = 1 + sum(abs(cost) * most for cost, most in zip(goal.costs, upper, strict=True))
        costs = [cost * reach + own for cost, own in zip(costs, goal.costs, strict=True)]
    return costs

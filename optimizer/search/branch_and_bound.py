"""An exact search for small covering programs: depth first, with bounds, and at microseconds a branch.

Members of a group are alike but for a cost, so a choice takes the cheapest of them first. A column is a way to use one
member of its group; it counts one in each of its rows and each of its caps.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from msgspec import Struct

STEPS = 2000
"""Columns looked at before the search gives up: a few milliseconds."""


class Column(Struct, frozen=True, gc=False):
    """A way to use a member of a group: what it costs beside the member, and the rows and caps that it counts in."""

    group: int
    cost: int
    rows: tuple[int, ...]
    caps: tuple[int, ...] = ()


class Program(Struct, frozen=True):
    """The sum of each row's columns is at least its number, of each cap's at most. `members` are the costs of each
    group's members in rising order. No cost is below zero."""

    members: tuple[tuple[int, ...], ...]
    columns: tuple[Column, ...]
    rows: tuple[int, ...]
    caps: tuple[int, ...] = ()


class GaveUpError(Exception):
    """The search would take too long."""


def cheapest(program: Program, steps: int = STEPS) -> list[int] | None:
    """The columns of a cheapest choice, in the order in which they were taken; None where no choice keeps all rows
    and caps. Among equally cheap choices the same one every time. Raises GaveUpError.

    Exact: a choice that keeps all rows has, for a row that lacks something, one more of some of its columns than was
    taken so far. Each is tried in turn, and none again for those after it. Taking more than the rows ask for never
    costs less and never keeps a cap better.

    Of three nodes in two racks two are needed, and one outside each rack:

    >>> columns = (Column(0, 0, (0, 2)), Column(1, 0, (0, 1)))
    >>> cheapest(Program(((1, 2), (5,)), columns, (2, 1, 1)))
    [1, 0]
    """
    return BranchAndBound(program, steps).solve()


class BranchAndBound:
    """The state of the search: what is taken, and what is lacking."""

    def __init__(self, program: Program, steps: int) -> None:
        self.program, self.steps = program, steps
        self.lacking, self.room = list(program.rows), list(program.caps)
        self.used, self.closed = [0] * len(program.members), [False] * len(program.columns)
        self.taken: list[int] = []
        self.best: list[int] | None = None
        self.least = 0
        self.inside: list[list[int]] = [[] for _ in program.rows]
        for number, column in enumerate(program.columns):
            if program.members[column.group]:
                for row in column.rows:
                    self.inside[row].append(number)
        self.worth, reduced = dual_prices(program, self.inside)
        for numbers in self.inside:
            numbers.sort(key=reduced.__getitem__)
        # What the fewest columns can mend comes first.
        self.order = sorted(range(len(self.inside)), key=lambda row: len(self.inside[row]))

    def solve(self) -> list[int] | None:
        """The columns of a cheapest choice."""
        columns, members = self.program.columns, self.program.members
        for number, inside in zip(self.program.rows, self.inside, strict=True):
            if sum(len(members[group]) for group in {columns[each].group for each in inside}) < number:
                return None
        self.descend(0, sum(number * worth for number, worth in zip(self.lacking, self.worth, strict=True)))
        return self.best

    def descend(self, cost: int, rest: int) -> None:
        """Mend the first row that lacks something in every way, at a cost so far and a lower bound for the rest."""
        row = next((row for row in self.order if self.lacking[row] > 0), None)
        if row is None:
            self.best, self.least = list(self.taken), cost
            return
        ways = self.ways(row)
        for _, number, paid in ways:
            column = self.program.columns[number]
            now = cost + column.cost + self.program.members[column.group][self.used[column.group]]
            if self.best is None or now + rest - paid < self.least:
                self.take(number, 1)
                self.descend(now, rest - paid)
                self.take(number, -1)
            self.closed[number] = True
        for _, number, _ in ways:
            self.closed[number] = False

    def ways(self, row: int) -> list[tuple[int, int, int]]:
        """The columns that can mend a row, as (minus the lacking rows that it is in, number, their prices): those that
        mend most come first, as then a good choice comes early, and among them the cheapest, then the first."""
        columns, members, lacking, worth = self.program.columns, self.program.members, self.lacking, self.worth
        self.steps -= len(self.inside[row])
        if self.steps < 0:
            raise GaveUpError
        found = []
        for number in self.inside[row]:
            column = columns[number]
            if self.closed[number] or self.used[column.group] == len(members[column.group]):
                continue
            if all(self.room[cap] > 0 for cap in column.caps):
                mended = [each for each in column.rows if lacking[each] > 0]
                found.append((-len(mended), number, sum(worth[each] for each in mended)))
        found.sort(key=itemgetter(0))
        return found

    def take(self, number: int, by: int) -> None:
        """Take one of a column, or put it back."""
        column = self.program.columns[number]
        if by > 0:
            self.taken.append(number)
        else:
            self.taken.pop()
        self.used[column.group] += by
        for row in column.rows:
            self.lacking[row] -= by
        for cap in column.caps:
            self.room[cap] -= by


def dual_prices(program: Program, inside: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """A price for each row, such that no column costs less than the prices of its rows together, and what each column
    costs beyond them.

    Whatever rows still lack, times their prices, is a lower bound of what mending them costs: a column counts one in
    each of its rows, so the prices that it pays off are at most its cost. The rows that ask for most are priced first;
    those that ask for the same share a column's cost, and one after another takes what is left of it.
    """
    columns, members = program.columns, program.members
    left = [column.cost + min(members[column.group], default=0) for column in columns]
    prices = [0] * len(program.rows)

    for most in sorted(set(program.rows), reverse=True):
        level = [row for row, number in enumerate(program.rows) if number == most]
        parts = [sum(program.rows[row] == most for row in column.rows) for column in columns]
        share = [min((left[number] // parts[number] for number in inside[row]), default=0) for row in level]
        for row, equal in (*zip(level, share, strict=True), *((row, None) for row in level)):
            price = min((left[number] for number in inside[row]), default=0) if equal is None else equal
            prices[row] += price
            for number in inside[row] if price else ():
                left[number] -= price
    return prices, left

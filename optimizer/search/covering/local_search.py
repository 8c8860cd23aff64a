"""A local search through choices of columns that weighs the rows it keeps missing.

It follows C. Gao, T. Weise, J. Li, A weighting-based local search heuristic algorithm for the set
covering problem (2014): take out the column that is missed least, put in the one that helps a missed row most, and let
every row that stays missed count more from then on. Here rows may ask for more than one, columns may be taken more
than once, and caps are rows that miss the other way round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from .greedy import positive
from .program import Covering, rows_by_column

PATIENCE = 256
"""Steps between two looks at the clock."""


class LocalSearch:
    """A search through choices of columns that may miss rows, for one that misses none and costs less than the best.

    The same seed gives the same steps. `costs` of zero or more.
    """

    def __init__(self, covering: Covering, costs: Sequence[int], start: Sequence[int], seed: int = 0) -> None:
        self.covering, self.price = covering, np.array(positive(costs), dtype=np.float64)
        self.costs = list(costs)
        self.draw = random.Random(seed)  # noqa: S311 - no secret is drawn
        lows = (*covering.rows, *covering.survival)
        self.number = [row.number for row in (*lows, *covering.caps)]
        self.low = [True] * len(lows) + [False] * len(covering.caps)
        self.columns = [np.array(row.columns, dtype=np.int64) for row in (*lows, *covering.caps)]
        self.rows = rows_by_column((*lows, *covering.caps), len(start))
        self.weight = [1] * len(self.number)
        self.lower, self.upper = np.array(covering.lower), np.array(covering.upper)
        self.last = np.zeros(len(start), dtype=np.int64)
        self.ready = np.ones(len(start), dtype=bool)
        self.step = 0
        self.best: list[int] | None = None
        self.limit: int | None = None
        self.restart(start)

    def restart(self, start: Sequence[int]) -> None:
        """Go on from another choice; the weights stay."""
        self.x = np.array(start, dtype=np.int64)
        self.total = sum(int(value) * cost for value, cost in zip(start, self.costs, strict=True) if value)
        self.held = [int(self.x[columns].sum()) for columns in self.columns]
        self.missed: list[int] = []
        self.place: dict[int, int] = {}
        self.taken: list[int] = []
        self.where: dict[int, int] = {}
        # What one more of a column wins, and what one less loses, in weights of rows.
        self.gain, self.loss = np.zeros(len(start)), np.zeros(len(start))
        for row, number in enumerate(self.number):
            held, weight, columns = self.held[row], self.weight[row], self.columns[row]
            if self.low[row]:
                self.gain[columns] += weight * (held < number)
                self.loss[columns] += weight * (held <= number)
            else:
                self.gain[columns] -= weight * (held >= number)
                self.loss[columns] -= weight * (held > number)
            if (held < number) if self.low[row] else (held > number):
                self.miss(row)
        for column in np.flatnonzero(self.x > self.lower):
            self.where[int(column)] = len(self.taken)
            self.taken.append(int(column))

    def miss(self, row: int) -> None:
        """Note a row as missed."""
        self.place[row] = len(self.missed)
        self.missed.append(row)

    def keep(self, row: int) -> None:
        """Note a row as kept again."""
        spot, other = self.place.pop(row), self.missed.pop()
        if other != row:
            self.missed[spot] = other
            self.place[other] = spot

    def add(self, column: int) -> None:
        """One more of a column."""
        self.x[column] += 1
        self.total += self.costs[column]
        self.last[column] = self.step
        if column not in self.where:
            self.where[column] = len(self.taken)
            self.taken.append(column)
        for row in self.rows[column]:
            self.ready[self.columns[row]] = True
            held, number = self.held[row], self.number[row]
            self.held[row] = held + 1
            if held + 1 == number:
                self.gain[self.columns[row]] -= self.weight[row]
                if self.low[row]:
                    self.keep(row)
            elif held == number:
                self.loss[self.columns[row]] -= self.weight[row]
                if not self.low[row]:
                    self.miss(row)

    def remove(self, column: int) -> None:
        """One less of a column."""
        self.x[column] -= 1
        self.total -= self.costs[column]
        self.last[column] = self.step
        if self.x[column] == self.lower[column]:
            spot, other = self.where.pop(column), self.taken.pop()
            if other != column:
                self.taken[spot] = other
                self.where[other] = spot
        for row in self.rows[column]:
            self.ready[self.columns[row]] = True
            held, number = self.held[row], self.number[row]
            self.held[row] = held - 1
            if held == number:
                self.gain[self.columns[row]] += self.weight[row]
                if self.low[row]:
                    self.miss(row)
            elif held == number + 1:
                self.loss[self.columns[row]] += self.weight[row]
                if not self.low[row]:
                    self.keep(row)
        self.ready[column] = False  # until something around it has changed, else it would just come back

    def weigh(self) -> None:
        """Let every missed row count more from now on."""
        for row in self.missed:
            self.weight[row] += 1
            sign = 1 if self.low[row] else -1
            self.gain[self.columns[row]] += sign
            self.loss[self.columns[row]] += sign

    def improve(self, steps: int, over: Callable[[], bool], accept: Callable[[list[int]], bool]) -> list[int] | None:
        """The best choice found, in at most so many steps, that misses nothing and that `accept` takes; None where
        there is none. A later call goes on."""
        end = self.step + steps
        just_added: list[int] = []
        while self.step < end and not (self.step % PATIENCE == 0 and over()):
            self.step += 1
            if not self.missed:
                found = [int(value) for value in self.x]
                if (self.limit is None or self.total < self.limit) and accept(found):
                    self.best = found
                if self.limit is None or self.total < self.limit:
                    self.limit = self.total
            if not self.taken:
                break
            self.leave(just_added)
            just_added = self.enter()
        return self.best

    def leave(self, barred: Sequence[int]) -> None:
        """Take out the column whose loss is least for its cost, of those in a missed cap where most that is missed
        are caps; the one that stayed longest where several are equal."""
        excess = [row for row in self.missed if not self.low[row]]
        among = np.array(self.taken)
        if excess and 2 * len(excess) >= len(self.missed):
            inside = self.columns[excess[self.draw.randrange(len(excess))]]
            inside = inside[self.x[inside] > self.lower[inside]]
            among = inside if len(inside) else among
        rate = self.loss[among] / self.price[among]
        for column in barred:
            rate[among == column] = np.inf
        least = among[rate <= rate.min()]
        self.remove(int(least[self.last[least].argmin()]))

    def enter(self) -> list[int]:
        """Put in what helps a missed row most for its cost, as long as the total stays below the best; returns what."""
        entered: list[int] = []
        with_caps = bool(self.covering.caps)
        while self.missed:
            short = [row for row in self.missed if self.low[row]]
            if not short:
                break
            columns = self.columns[short[self.draw.randrange(len(short))]]
            rate = self.gain[columns] / self.price[columns]
            barred = (self.x[columns] >= self.upper[columns]) | ~self.ready[columns]
            if self.limit is not None:
                barred |= self.price[columns] >= float(self.limit - self.total)
            rate[barred] = -np.inf
            most = rate.max(initial=-np.inf)
            if most == -np.inf or (most <= 0 and not with_caps):
                break
            best = columns[rate >= most]
            column = int(best[self.last[best].argmin()])
            self.add(column)
            entered.append(column)
            self.weigh()
            if with_caps:
                break
        return entered

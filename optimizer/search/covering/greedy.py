"""First choices of columns, greedily: the column that is cheapest for what it helps, again and again."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ortools.set_cover.python import set_cover

from .program import Covering, rows_by_column

EXACT = 1 << 50
"""Sums up to this are exact in floating point."""


class GrowingChoice:
    """A choice of columns, with what each row still needs and each cap still leaves room for."""

    def __init__(self, covering: Covering, start: Sequence[int]) -> None:
        self.upper = covering.upper
        self.x = [max(low, min(at, high)) for low, at, high in zip(covering.lower, start, covering.upper, strict=True)]
        rows, caps = (*covering.rows, *covering.survival), covering.caps
        self.rows_of, self.caps_of = rows_by_column(rows, len(self.x)), rows_by_column(caps, len(self.x))
        self.need = [row.number - sum(self.x[column] for column in row.columns) for row in rows]
        self.room = [cap.number - sum(self.x[column] for column in cap.columns) for cap in caps]

    def helps(self, column: int) -> int:
        """How many rows one more of the column helps; none, where a cap is in the way."""
        if self.x[column] >= self.upper[column] or any(self.room[cap] <= 0 for cap in self.caps_of[column]):
            return 0
        return sum(self.need[row] > 0 for row in self.rows_of[column])

    def is_needless(self, column: int) -> bool:
        """Whether all rows of the column are kept with one less of it."""
        return all(self.need[row] < 0 for row in self.rows_of[column])

    def put(self, column: int, step: int) -> None:
        """So many more of a column."""
        self.x[column] += step
        for row in self.rows_of[column]:
            self.need[row] -= step
        for cap in self.caps_of[column]:
            self.room[cap] -= step


def greedy(covering: Covering, costs: Sequence[int], start: Sequence[int]) -> list[int]:
    """From `start` on, the column that is cheapest for each row it helps, again and again; then whatever is not
    needed goes, the dearest first. Caps are kept, so that rows may be left missed."""
    choice, price = GrowingChoice(covering, start), positive(costs)
    heap = [(price[column] / gain, column) for column in range(len(price)) if (gain := choice.helps(column))]
    heapq.heapify(heap)
    while heap:
        _, column = heapq.heappop(heap)
        gain = choice.helps(column)
        if not gain:
            continue
        rate = price[column] / gain  # it may have grown since, but never falls
        if not heap or (rate, column) <= heap[0]:
            choice.put(column, 1)
            gain = choice.helps(column)
            rate = price[column] / gain if gain else 0
        if gain:
            heapq.heappush(heap, (rate, column))
    x = choice.x
    for column in sorted((column for column in range(len(x)) if x[column]), key=lambda each: (-costs[each], each)):
        while x[column] > covering.lower[column] and costs[column] >= 0 and choice.is_needless(column):
            choice.put(column, -1)
    return x


def positive(costs: Sequence[int]) -> list[float]:
    """Costs to divide by: what costs nothing counts as a hundredth of the least cost."""
    least = min((cost for cost in costs if cost > 0), default=1)
    return [cost if cost > 0 else least / 100 for cost in costs]


def plain_cover(covering: Covering, costs: Sequence[int]) -> list[int] | None:
    """The greedy and steepest search of `ortools.set_cover`; None where the program is more than a plain cover.

    Its guided search is left out: it wanders through choices that cover not everything.
    """
    rows = (*covering.rows, *covering.survival)
    if not rows or covering.caps or covering.linear or any(row.number != 1 for row in rows):
        return None
    # It adds up in floating point, and ends the process where that goes wrong.
    if min(costs, default=0) <= 0 or sum(costs) > EXACT:
        return None
    model = set_cover.SetCoverModel()
    usable = [column for column, most in enumerate(covering.upper) if most]
    rows_of = rows_by_column(rows, len(covering.upper))
    for column in usable:
        model.add_empty_subset(costs[column])
        for row in rows_of[column]:
            model.add_element_to_last_subset(row)
    if not usable or not model.compute_feasibility():
        return None
    model.create_sparse_row_view()
    state = set_cover.SetCoverInvariant(model)
    set_cover.GreedySolutionGenerator(state).next_solution()
    set_cover.SteepestSearch(state).set_max_iterations(100_000).next_solution()
    x = list(covering.lower)
    for number, taken in enumerate(state.is_selected()):
        if taken:
            x[usable[number]] = max(1, x[usable[number]])
    return x if covering.keeps(x) else None

"""Goals one after another with a general solver: each is made as small as possible, then fixed before the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from benchmarks.peers.answer import Answer, Clock, Tell
from benchmarks.peers.plain_model import PlainModel, Sum, value

Report = Callable[[float | None, float | None], None]
"""Takes a better value and a better bound, without the constant of the goal."""


class Stage(Struct, frozen=True):
    """How a search for one goal ended; `values` is None where it found no solution."""

    values: Sequence[float] | None
    bound: float | None
    proved: bool = False
    infeasible: bool = False


class Solver(Protocol):
    """A general solver that holds the plain model."""

    def minimize(self, goal: Sum, seconds: float, report: Report) -> Stage:
        """Search for the least value of the goal."""

    def fix(self, goal: Sum, most: int) -> None:
        """From now on the goal, without its constant, is at most `most`."""


def solve(model: PlainModel, solver: Solver, clock: Clock, tell: Tell) -> Answer:
    """The best solution found; a goal that is not proved takes all the time that is left."""
    values: Sequence[float] | None = None
    bounds: list[int | None] = []
    for name, goal in model.goals:
        if (seconds := clock.left()) <= 0:
            break

        def report(found: float | None, bound: float | None, name: str = name, goal: Sum = goal) -> None:
            least = at_least(bound, goal)
            tell(name, None if found is None else round(found) + goal.constant, least)

        stage = solver.minimize(goal, seconds, report)
        if stage.infeasible:
            return Answer(infeasible=True)
        values = stage.values if stage.values is not None else values
        if stage.proved and values is not None:
            bounds.append(value(goal, values))
            tell(name, bounds[-1], bounds[-1])
            solver.fix(goal, value(goal, values) - goal.constant)
            continue
        bounds.append(at_least(stage.bound, goal))
        break
    if values is None:
        return Answer(bounds=tuple(bounds))
    speakers, sessions = model.placement(values)
    bounds += [None] * (len(model.goals) - len(bounds))
    return Answer(speakers, sessions, tuple(bounds))


def at_least(bound: float | None, goal: Sum) -> int | None:
    """A bound as the whole number that the goal cannot be below; None where there is none."""
    if bound is None or not math.isfinite(bound) or abs(bound) > 1e15:
        return None
    return math.ceil(bound - 1e-6 * max(1.0, abs(bound))) + goal.constant

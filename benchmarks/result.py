"""What is measured of one peer on one instance, and what follows from it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from benchmarks.instance import Cell

Status = Literal["optimal", "feasible", "none", "infeasible", "invalid", "killed", "error", "missing"]
"""`none`: no placement found in time. `invalid`: the placement fails the independent check. `killed`: it had to be
ended, some seconds after the time limit. `missing`: its package is not installed."""


class Point(Struct, frozen=True, array_like=True):
    """News of a goal, `seconds` after the start."""

    seconds: float
    goal: str
    value: int | None
    bound: int | None


class Result(Struct, frozen=True):
    """One peer on one instance. Times are in seconds from the moment the peer has the instance in memory, memory in
    MiB.

    `seconds` is the time until the answer was there, building the model included and the check of the answer not;
    `solver` is what is left of it without reducing, where the peer says so. `memory` is the peak of the process, with
    Python, the libraries and the instance; `idle` is what these need before the peer starts.
    """

    cell: Cell
    instance: str
    peer: str
    status: Status
    goals: tuple[str, ...] = ()
    values: tuple[int, ...] | None = None
    bounds: tuple[int | None, ...] = ()
    known: tuple[int, ...] | None = None
    best_known: int | None = None
    seconds: float | None = None
    solver: float | None = None
    memory: float | None = None
    idle: float | None = None
    nodes: int = 0
    routers: int = 0
    trajectory: tuple[Point, ...] = ()
    note: str = ""


def proved(result: Result) -> bool:
    """Whether the peer proved that its answer, which holds, is the best, or that there is none."""
    return result.status in ("optimal", "infeasible")


def ranked(result: Result) -> bool:
    """Whether there is a valid answer."""
    return result.values is not None and result.status in ("optimal", "feasible")


def gap(result: Result) -> float | None:
    """The relative gap of the first goal that is not proved, 0 where all are; None where there is no value or bound.

    >>> cell = Cell("f", 1, "selected")
    >>> gap(Result(cell, "f", "p", "feasible", ("sessions", "speakers"), (10, 8), (10, 6)))
    0.25
    """
    if not ranked(result) or result.values is None:
        return None
    for value, bound in zip(result.values, result.bounds, strict=True):
        if bound is None:
            return None
        if bound < value:
            return (value - bound) / value
    return 0.0


def first(result: Result) -> float | None:
    """The time to the first placement: the first value reported, else the whole time."""
    found = (point.seconds for point in result.trajectory if point.value is not None)
    return next(found, result.seconds) if ranked(result) else None


def best(result: Result) -> float | None:
    """The time to the last better value reported, else the whole time."""
    if not ranked(result):
        return None
    seen: dict[str, int] = {}
    at = result.seconds
    for point in result.trajectory:
        if point.value is not None and (point.goal not in seen or point.value < seen[point.goal]):
            seen[point.goal], at = point.value, point.seconds
    return at


def proof(result: Result) -> float | None:
    """The time to the proof of all goals; None where they are not proved."""
    return result.seconds if proved(result) else None

"""The goals: their order, what each counts as a sum over columns, and their values for a solution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from ..model import GOALS, Policy
from .columns import Columns
from .problem import Component, NodeClass, Solution

DOUBT = "doubt"
"""The last goal of the search, which no policy names and no placement lists: of equal choices the one of which most is
known to work."""

BEST_EFFORT_GOALS = ("worsened", "shortfall", "exposure", "retained")


class LinearGoal(Struct, frozen=True):
    """What a goal counts: the sum of cost times column, plus a constant. One cost for every column."""

    name: str
    costs: tuple[int, ...]
    constant: int = 0

    def value(self, x: Sequence[int]) -> int:
        """The goal's value for a choice of columns."""
        return self.constant + sum(cost * x[column] for column, cost in enumerate(self.costs) if cost)


def goal_names(policy: Policy) -> list[str]:
    """The goals in order; in layer 2 and VIP mode there are no sessions to count."""
    names = [goal for goal in policy.goals if policy.mode == "bgp" or goal not in ("sessions", "sessionMoves")]
    return [*BEST_EFFORT_GOALS, *names] if policy.best_effort else list(names)


def searched_goals(policy: Policy, classes: Sequence[NodeClass]) -> list[str]:
    """The goals that a search pursues: those of the policy, and to choose what works where these leave a choice."""
    names = goal_names(policy)
    return [*names, DOUBT] if any(each.traits.doubt for each in classes) else names


def linear_goal(name: str, component: Component, columns: Columns) -> LinearGoal:
    """The goal as a sum over columns; those that count by how much rules are missed are none.

    Moves are speakers that start or stop on candidates: those that must leave other nodes are no choice of ours.
    Session moves are sessions opened or closed on speakers that run today and stay.
    """
    costs, constant = [0] * len(columns.upper), 0
    for number, (each, sessions) in enumerate(zip(component.classes, columns.sessions, strict=True)):
        for column, cost in terms(name, each, number, sessions):
            costs[column] += cost
        if name == "moves" and each.traits.runs and not each.traits.retained:
            constant += len(each.names)
    return LinearGoal(name, tuple(costs), constant)


def terms(name: str, each: NodeClass, number: int, sessions: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """The (column, cost) pairs that a class, whose speakers are column `number`, adds to a goal."""
    traits = each.traits
    match name:
        case "retained":
            if traits.retained:
                yield number, 1
        case "sessions":
            yield from ((column, 1) for column in sessions.values())
        case "speakers":
            yield number, 1
        case "moves":
            if not traits.retained:
                yield number, -1 if traits.runs else 1
        case "sessionMoves":
            for router, column in sessions.items() if traits.runs else ():
                if router in traits.today:
                    yield number, 1
                    yield column, -1
                else:
                    yield column, 1
        case "cost":
            yield number, traits.cost
        case "doubt":
            yield number, traits.doubt
        case _:
            raise ValueError(f"{name} is no sum over columns")


def goal_values(classes: Sequence[NodeClass], found: Solution) -> dict[str, int]:
    """The values of all goals for a solution."""
    reached: dict[str, int] = dict.fromkeys((*GOALS, DOUBT), 0)
    for each, speakers, sessions in zip(classes, found.speakers, found.sessions, strict=True):
        traits = each.traits
        reached["moves"] += len(each.names) - speakers if traits.runs else speakers
        if not speakers:
            continue
        reached["speakers"] += speakers
        reached["cost"] += traits.cost * speakers
        reached[DOUBT] += traits.doubt * speakers
        reached["sessions"] += sum(sessions)
        if traits.runs:
            reached["sessionMoves"] += sum(
                speakers - number if router in traits.today else number
                for router, number in zip(traits.routers, sessions, strict=True)
            )
    return reached

"""The integer variables of a component, numbered, which constraints and goals are sums over."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..model import Policy
from .problem import Component, NodeClass


class Columns(Struct, frozen=True):
    """Column n is the number of speakers in class n; where sessions are chosen, further columns are the numbers of
    sessions that the speakers of a class hold with a router.

    `upper` is the most that each column can be; none is below zero. `sessions` gives for each class the column of its
    sessions with each of its routers: that of its speakers, where a speaker peers with all of them. `held` gives for
    each router the classes attached to it, with these columns.
    """

    upper: tuple[int, ...]
    sessions: tuple[Mapping[str, int], ...]
    held: Mapping[str, tuple[tuple[NodeClass, int], ...]]


def sessions_are_chosen(policy: Policy) -> bool:
    """Whether a speaker may peer with some of its routers only."""
    return policy.peering == "selected" and policy.mode == "bgp"


def columns_of(component: Component, policy: Policy) -> Columns:
    """The columns of a component: the speakers of all classes first, then the sessions of one class after another."""
    upper = [len(each.names) for each in component.classes]
    sessions: list[dict[str, int]] = []
    held: dict[str, list[tuple[NodeClass, int]]] = {router.name: [] for router in component.routers}
    for number, each in enumerate(component.classes):
        routers = each.traits.routers
        if sessions_are_chosen(policy):
            sessions.append(dict(zip(routers, range(len(upper), len(upper) + len(routers)), strict=True)))
            upper += [len(each.names)] * len(routers)
        else:
            sessions.append(dict.fromkeys(routers, number))
        for router, column in sessions[-1].items():
            held[router].append((each, column))
    return Columns(tuple(upper), tuple(sessions), {router: tuple(classes) for router, classes in held.items()})

"""The reduced problem and its answers: classes of equal nodes around routers, in components that no rule links."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ..model import Objective, Policy, Survive

Domains = tuple[tuple[str, str], ...]
"""(kind, value) pairs, in a fixed order of kinds."""


class RouterNeed(Struct, frozen=True):
    """What a router asks for: `needed` sessions, at most `limit`, of which at most `spare` are new during the change.

    One that asks for nothing needs 0. `domains` are its own (kind, value) pairs of protected kinds. `elsewhere` are the
    protected kinds that have a value which neither the router nor any of its candidates is in. `racks` are those whose
    nodes only their own speakers announce, sorted, with the sessions that each keeps.
    """

    name: str
    needed: int
    limit: int | None = None
    spare: int | None = None
    domains: Domains = ()
    elsewhere: tuple[str, ...] = ()
    racks: tuple[tuple[str, int], ...] = ()


class Traits(Struct, frozen=True, order=True, gc=False):
    """All that the rules and goals see of a candidate node; `today` are the routers it holds a session with now, `down`
    those with which one is configured that is down; `broken` is a speaker that does not work, and `doubt` how little is
    known to work there (`reduce.doubts`). `capacity` is the most sessions that it can hold. `retained` nodes are none
    to choose, but run a speaker that a best-effort placement may leave there. `rack` is the one that its speaker
    announces, "" where that does not matter and for the nodes in no rack."""

    routers: tuple[str, ...]
    domains: Domains
    capacity: int
    cost: int
    runs: bool
    today: tuple[str, ...]
    pinned: bool
    retained: bool = False
    rack: str = ""
    down: tuple[str, ...] = ()
    broken: bool = False
    doubt: int = 0


class Links(Struct, frozen=True, eq=False, gc=False):
    """The routers that nodes are attached to, those of them that they hold a session with, and those with which one is
    configured that is down, all sorted.

    One object for all nodes alike, so that it need not be compared: two are equal only if they are the same.
    """

    routers: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


Likeness = tuple[Links, tuple[str | None, ...], int, int, bool, bool, bool, str, bool, int]
"""What distinguishes candidates at little cost: links, domains of each kind, room, cost, runs, pinned, retained, rack,
broken, doubt. Equal traits may come out of two of them."""


class NodeClass(Struct, frozen=True, gc=False):
    """The candidates with equal traits, sorted by name."""

    traits: Traits
    names: tuple[str, ...]


class Component(Struct, frozen=True):
    """A part of the problem that no rule links to the rest, but for the budget of moves."""

    routers: tuple[RouterNeed, ...]
    classes: tuple[NodeClass, ...]


class Problem(Struct, frozen=True):
    """The reduced problem. `causes` gives for every node that is no candidate why it is none, the first cause
    first; `survive` is what is protected.

    `refusal` is set where the mode does not fit the topology at all.
    """

    policy: Policy
    survive: tuple[Survive, ...]
    components: tuple[Component, ...]
    causes: Mapping[str, tuple[str, ...]]
    refusal: str | None = None


class Solution(Struct, frozen=True):
    """For every class of a component the number of speakers, and of sessions with each of its routers."""

    speakers: tuple[int, ...]
    sessions: tuple[tuple[int, ...], ...]


class Answer(Struct, frozen=True):
    """A component's answer: the solution, None where its rules cannot hold together, and its goals' values."""

    solution: Solution | None
    objectives: tuple[Objective, ...] = ()


def shape(component: Component) -> object:
    """A key that is equal only for components that differ in names alone: routers, domain values and racks are numbered
    in the order in which they come. Their solutions, being counts by position, are then the same."""
    position = {router.name: number for number, router in enumerate(component.routers)}
    numbers: dict[tuple[str, str], int] = {}
    racks: dict[str, int] = {}

    def numbered(domains: Domains) -> tuple[tuple[str, int], ...]:
        return tuple((domain[0], numbers.setdefault(domain, len(numbers))) for domain in domains)

    return (
        tuple(
            (
                each.needed,
                each.limit,
                each.spare,
                numbered(each.domains),
                each.elsewhere,
                tuple((racks.setdefault(rack, len(racks)), number) for rack, number in each.racks),
            )
            for each in component.routers
        ),
        tuple(
            (
                tuple(position[router] for router in each.traits.routers),
                numbered(each.traits.domains),
                each.traits.capacity,
                each.traits.cost,
                each.traits.runs,
                tuple(position[router] for router in each.traits.today),
                each.traits.pinned,
                each.traits.retained,
                tuple(position[router] for router in each.traits.down),
                each.traits.broken,
                each.traits.doubt,
                racks.setdefault(each.traits.rack, len(racks)),
                len(each.names),
            )
            for each in component.classes
        ),
    )

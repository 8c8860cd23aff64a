"""Where a router's limit leaves no room for old and new sessions together: a chain of placements in between.

Each closes some of the old sessions, at most one of each router, or opens what then fits. So a router is short of one
session at a time, and without any only where its limit is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct, structs

from ..errors import InputError
from ..model import Cluster, Placement, Policy, Session
from ..plan.budget import Budget, make_budget

Unit = tuple[str, tuple[str, ...]]
"""A speaker and the routers of its sessions that open or close together."""


class Waypoint(Struct, frozen=True):
    """A placement in between, and the sessions that it closes or opens on the way to it."""

    placement: Placement
    closes: tuple[Session, ...] = ()
    opens: tuple[Session, ...] = ()


def over_limit(budget: Budget) -> dict[str, tuple[int, int]]:
    """The routers that old and new sessions together would put over their limit: how many there would be, and it.

    What a router has today may be over its limit already; then no new one fits.
    """
    found = {}
    for router, limit in budget.limits.items():
        both = budget.meanwhile(router)
        if limit is not None and both > max(limit, budget.today.get(router, 0)):
            found[router] = (both, limit)
    return found


def waypoints(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[Waypoint, ...]:
    """The placements on the way, the wanted one last; () where old and new sessions fit together.

    Raises InputError where no order of closing and opening leads there.
    """
    if not over_limit(make_budget(cluster, policy, placement)):
        return ()
    chain = Chain(cluster, policy, placement)
    found = []
    while chain.to_open():
        opens = chain.open_what_fits()
        closes = () if opens else chain.close_some()
        if not opens and not closes:
            stuck = min(router for _, routers in chain.to_open() for router in routers if not chain.fits(router))
            raise InputError(
                f"router {stuck} has no room for a new session, and none of its old ones can be closed first"
            )
        found.append(Waypoint(chain.placement(), closes, opens))
    return (*found[:-1], Waypoint(placement, found[-1].closes, found[-1].opens))


class Chain:
    """The sessions by router, as they are on the way."""

    def __init__(self, cluster: Cluster, policy: Policy, placement: Placement) -> None:
        self.wanted, self.together = placement, policy.peering == "all-attached"
        self.limits = {router.name: router.max_sessions for router in cluster.routers}
        self.now = {router: set(nodes) for router, nodes in cluster.today.sessions.items()}
        self.down = {router: set(nodes) for router, nodes in cluster.today.down.items()}
        self.goal: dict[str, set[str]] = {}
        for session in placement.sessions:
            self.goal.setdefault(session.router, set()).add(session.node)

    def units(self, sessions: Iterable[tuple[str, str]]) -> list[Unit]:
        """Sessions (node, router) as units: those of a node together under all-attached, else each for itself."""
        if not self.together:
            return [(node, (router,)) for node, router in sorted(sessions)]
        by_node: defaultdict[str, list[str]] = defaultdict(list)
        for node, router in sorted(sessions):
            by_node[node].append(router)
        return [(node, tuple(routers)) for node, routers in by_node.items()]

    def to_open(self) -> list[Unit]:
        """What is still to be opened."""
        return self.units(
            (node, router) for router, nodes in self.goal.items() for node in nodes - self.now.get(router, set())
        )

    def to_close(self) -> list[Unit]:
        """What can be closed: what a speaker that leaves holds together, of one that stays each for itself."""
        extra = [(node, router) for router, nodes in self.now.items() for node in nodes - self.goal.get(router, set())]
        stays = frozenset(self.wanted.speakers)
        return self.units(each for each in extra if each[0] not in stays) + [
            (node, (router,)) for node, router in sorted(extra) if node in stays
        ]

    def fits(self, router: str) -> bool:
        """Whether a router has room for one more."""
        limit = self.limits.get(router)
        return limit is None or len(self.now.get(router, ())) < limit

    def open_what_fits(self) -> tuple[Session, ...]:
        """Open all that has room with all its routers."""
        opened = []
        for node, routers in self.to_open():
            if all(map(self.fits, routers)):
                for router in routers:
                    self.now.setdefault(router, set()).add(node)
                    opened.append(Session(node, router))
        return tuple(sorted(opened))

    def close_some(self) -> tuple[Session, ...]:
        """Close old sessions of the routers without room, at most one of each router, and never the last of several."""
        full = {router for _, routers in self.to_open() for router in routers if not self.fits(router)}
        closed, met = [], set[str]()
        # First what is down, then what makes room with the most of them.
        for node, routers in sorted(
            self.to_close(), key=lambda unit: (self.is_up(*unit), -len(full.intersection(unit[1])), unit)
        ):
            if not full.intersection(routers) or met.intersection(routers):
                continue
            if any(len(self.now[router]) == 1 and self.limits.get(router) != 1 for router in routers):
                continue
            met.update(routers)
            for router in routers:
                self.now[router].discard(node)
                closed.append(Session(node, router))
        return tuple(sorted(closed))

    def is_up(self, node: str, routers: Iterable[str]) -> bool:
        """Whether any of these sessions is not known to be down."""
        return any(node not in self.down.get(router, ()) for router in routers)

    def placement(self) -> Placement:
        """The placement as it is now."""
        sessions = sorted(Session(node, router) for router, nodes in self.now.items() for node in nodes)
        speakers = sorted({session.node for session in sessions})
        return structs.replace(self.wanted, speakers=tuple(speakers), sessions=tuple(sessions))

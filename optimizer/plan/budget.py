"""The sessions of a change by router: today's, what is added, what each router keeps, and what closes when.

Today's are all that are configured, as one that is down can come up at any time; only what restarts may take counts
those that are up, as far as is known.

Computed once for a plan. Routers may be many and each may have a session with every speaker, so nothing here looks at
all pairs of a router and a speaker more than once, and at none where all speakers peer with a router.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..model import Cluster, Placement, Policy, Router, Session
from ..speakers import product_named
from .steps import Flow


class Groups(Struct, frozen=True):
    """Routers with the same sessions are looked at as one: `of_node` are the groups of a node, each named by one of its
    routers, and `of_router` is the group of a router."""

    of_node: Mapping[str, list[str]] = {}
    of_router: Mapping[str, str] = {}


class Budget(Struct, frozen=True):
    """The sessions of a change by router; empty where no BGP is spoken.

    `today` is how many are configured, `up` how many of these are not known to be down, `kept` how many a router is to
    keep, `limits` how many it takes. `added` are the nodes of new sessions, sorted; of these `opened` open once they
    are allowed, since a speaker runs there already, and those of `starting` with the speaker on that node. `leaving`
    close with the speakers that stop, `narrowed` when the peer objects of speakers that stay say so. `short` are the
    routers without a session to spare while their chosen speakers restart. `groups` are those of the chosen speakers.
    """

    today: Mapping[str, int] = {}
    up: Mapping[str, int] = {}
    kept: Mapping[str, int] = {}
    limits: Mapping[str, int | None] = {}
    added: Mapping[str, tuple[str, ...]] = {}
    opened: Mapping[str, int] = {}
    starting: Mapping[str, tuple[str, ...]] = {}
    leaving: Mapping[str, int] = {}
    narrowed: Mapping[str, int] = {}
    short: tuple[str, ...] = ()
    groups: Groups = Groups()

    @property
    def routers(self) -> tuple[str, ...]:
        """The routers with a session today or a new one, sorted."""
        return tuple(sorted({*self.today, *self.added}))

    def meanwhile(self, router: str) -> int:
        """Sessions of a router while today's and the new ones are up."""
        return self.today.get(router, 0) + len(self.added.get(router, ()))

    def away(self, rounds: Iterable[Iterable[str]]) -> Counter[str]:
        """The most sessions that each router is without while the chosen speakers restart in these rounds."""
        by_group: Counter[str] = Counter()
        for names in rounds:
            met = Counter(group for name in names for group in self.groups.of_node.get(name, ()))
            for group, number in met.items():
                by_group[group] = max(by_group[group], number)
        return Counter({router: by_group[group] for router, group in self.groups.of_router.items() if by_group[group]})


def make_budget(cluster: Cluster, policy: Policy, placement: Placement) -> Budget:
    """The sessions of the change from today to the placement.

    Where the product's agent runs on every node, no speaker starts or stops: peer objects open and close all sessions.
    """
    if policy.mode != "bgp":
        return Budget()
    today, added = cluster.today.sessions, added_sessions(cluster, placement.sessions)
    held = cluster.today.held
    stops = product_named(cluster.product).restrictable
    running = frozenset(cluster.today.speakers if stops else (node for nodes in added.values() for node in nodes))
    opened: Counter[str] = Counter()
    starting: defaultdict[str, list[str]] = defaultdict(list)
    for router, nodes in added.items():
        opened[router] = len(running.intersection(nodes))
        for node in nodes:
            if node not in running:
                starting[node].append(router)
    wanted = Counter(session.router for session in placement.sessions)
    leaving = leaving_sessions(cluster, frozenset(placement.speakers)) if stops else {}
    narrowed = {
        router: len(nodes) - leaving.get(router, 0) - (wanted[router] - len(added.get(router, ())))
        for router, nodes in today.items()
    }
    kept = {router.name: required(router, policy) for router in cluster.routers}
    return Budget(
        today={router: len(nodes) for router, nodes in today.items()},
        up={router: len(nodes) for router, nodes in held.items()},
        kept=kept,
        limits={router.name: router.max_sessions for router in cluster.routers},
        added=added,
        opened=opened,
        starting={node: tuple(routers) for node, routers in starting.items()},
        leaving=leaving,
        narrowed=narrowed,
        # One that gets another session before the restarts is short of none that it had.
        short=tuple(
            router
            for router in sorted(wanted)
            if 0 < len(held.get(router, ())) <= kept.get(router, 0) and not added.get(router)
        ),
        groups=groups_of(cluster, frozenset(placement.speakers), added),
    )


def leaving_sessions(cluster: Cluster, chosen: frozenset[str]) -> dict[str, int]:
    """How many of each router's sessions close with the speakers that are not chosen."""
    today, known, found = cluster.today, dict[tuple[str, ...] | None, int](), dict[str, int]()
    for router, nodes in today.sessions.items():
        key = None if today.everywhere(router) else nodes
        if key not in known:
            known[key] = len(nodes) - len(chosen.intersection(nodes))
        found[router] = known[key]
    return found


def added_sessions(cluster: Cluster, new: Iterable[Session]) -> dict[str, tuple[str, ...]]:
    """The nodes of the new sessions that each router does not have today, sorted."""
    today = cluster.today.sessions
    added: defaultdict[str, set[str]] = defaultdict(set)
    for each in new:
        if not holds(today.get(each.router, ()), each.node):
            added[each.router].add(each.node)
    return {router: tuple(sorted(nodes)) for router, nodes in added.items()}


def groups_of(cluster: Cluster, names: frozenset[str], added: Mapping[str, tuple[str, ...]]) -> Groups:
    """The groups of routers that have the same sessions today and the same `added` ones, for these nodes."""
    today = cluster.today.sessions
    first_of: dict[tuple[tuple[str, ...] | None, tuple[str, ...]], str] = {}
    of_node: defaultdict[str, list[str]] = defaultdict(list)
    of_router: dict[str, str] = {}
    for router in {**today, **added}:
        nodes, more = today.get(router, ()), added.get(router, ())
        of_router[router] = first_of.setdefault((None if cluster.today.everywhere(router) else nodes, more), router)
        if of_router[router] == router:
            for name in names.intersection((*nodes, *more)):
                of_node[name].append(router)
    return Groups(dict(of_node), of_router)


def flows(
    budget: Budget,
    now: Mapping[str, int],
    opened: Mapping[str, int],
    closed: Mapping[str, int],
    away: Mapping[str, int],
) -> dict[str, Flow]:
    """The sessions of the routers that a step changes, sorted by name; `now` are those before it."""
    names = {name for part in (opened, closed, away) for name, number in part.items() if number}
    return {
        name: Flow(
            now.get(name, 0), opened.get(name, 0), closed.get(name, 0), away.get(name, 0), budget.limits.get(name)
        )
        for name in sorted(names)
    }


def holds(nodes: tuple[str, ...], name: str) -> bool:
    """Whether a name is among sorted names."""
    index = bisect_left(nodes, name)
    return index < len(nodes) and nodes[index] == name


def required(router: Router, policy: Policy) -> int:
    """The sessions that a router is to keep; none, where it asks for none."""
    return 0 if router.min_speakers == 0 else max(policy.speakers_per_router, router.min_speakers or 0)

"""From a cluster to the small exact problem that the solver sees, and the way back.

Nodes that cannot carry a speaker are dropped with the cause, equal nodes become one class with a count, and the
problem falls apart into connected components. Every step keeps the optimum (the docstrings say why).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from msgspec import structs

from ..model import Cluster, Node, Policy, Router, Session, Survive
from . import graph
from .coverage import announced_racks, covered_racks
from .eligibility import Verdict, judgement, lack, session_capacity, tenths
from .problem import Component, Likeness, Links, NodeClass, Problem, RouterNeed, Solution, Traits

BROKEN = 20
"""What it costs to choose a node whose speaker does not work: more than a full node of the control plane that is not
preferred."""

NO_PLACE = "without a place for the speaker's pod, says the scheduler"


def reduce(cluster: Cluster, policy: Policy, granted: Collection[str] = ()) -> Problem:
    """The reduced problem of a cluster whose topology is known.

    Nodes in `granted` are assumed to be candidates with room for all their sessions, whatever keeps them from it:
    what if they were?
    """
    kinds = [rule.kind for rule in policy.survive]
    if policy.mode != "bgp":
        kinds = sorted(set(chain.from_iterable(node.domains for node in cluster.nodes)))
    alike, causes = alike_candidates(cluster, policy, kinds, granted)
    survive, refusal, routers = policy.survive, None, cluster.routers
    groups = classify(alike, kinds)
    if policy.mode != "bgp":
        refusal, survive, routers = (
            several_segments(policy, groups),
            layer2_survival(policy, groups),
            (Router(policy.mode),),
        )
        groups = one_segment(policy, survive, groups)
    classes = [NodeClass(traits, tuple(sorted(groups[traits]))) for traits in sorted(groups)]
    parts = connected_components(classes, routers, cluster, policy, survive)
    return Problem(policy, survive, parts, causes, refusal)


def doubts(cluster: Cluster, policy: Policy) -> dict[str, int]:
    """How little is known to work of today's speakers: of equal choices, the one with the least of it is made.

    A speaker that does not work weighs more than all sessions, one that is down more than all of which nothing is
    known; where nothing at all is reported, all are alike.
    """
    today, most = cluster.today, len(cluster.routers) + 1
    found = Counter(dict.fromkeys(today.broken, most * most))
    if policy.mode == "bgp" and (today.up or today.down):
        every = sum(map(today.held_by_all, today.sessions))
        some = (names for router, names in today.held.items() if not today.held_by_all(router))
        held, up = Counter(chain.from_iterable(some)), Counter(chain.from_iterable(today.up.values()))
        for name in today.working:
            found[name] += every + held[name] - up[name]
        for names in today.down.values():
            found.update(dict.fromkeys(names, most))
    return found


def alike_candidates(
    cluster: Cluster, policy: Policy, kinds: Sequence[str], granted: Collection[str]
) -> tuple[dict[Likeness, list[str]], dict[str, tuple[str, ...]]]:
    """The names of the candidates, those alike together, and for every other node all that keeps it from being one."""
    today, pinned = cluster.today, set(policy.nodes.pin)
    running = set(today.working)
    links_of, judge = links(cluster, running), judgement(cluster, policy)
    room_of, racks = session_capacity(cluster, policy), announced_racks(cluster, policy)
    doubt_of = doubts(cluster, policy)
    causes: dict[str, tuple[str, ...]] = {}
    alike: dict[Likeness, list[str]] = {}
    for node in cluster.nodes:
        name = node.name
        to, room, verdict, runs = links_of(name), room_of(node), judge(node), name in running
        degree, stays = len(to.routers), False
        against = verdict.against + lack(node, cluster, policy, degree, room)
        if name in today.refused:
            against = (*against, NO_PLACE)
        if name in granted:
            room = degree
        elif against:
            causes[name] = against
            kept = retained(node, to, policy, judge) if runs and policy.best_effort else None
            if kept is None:
                continue
            to, room, stays = kept, len(kept.routers), True
        values = tuple(map(node.domains.get, kinds))
        cost = verdict.cost + (tenths(node) if policy.nodes.head_room else 0)
        if name in today.broken:
            cost += BROKEN
        broken, doubt = name in today.broken, doubt_of.get(name, 0)
        key = to, values, min(room, degree), cost, runs, name in pinned, stays, racks.get(name, ""), broken, doubt
        alike.setdefault(key, []).append(name)
    return alike, causes


def links(cluster: Cluster, running: Collection[str]) -> Callable[[str], Links]:
    """A function that gives the links of a node by its name; nodes with the same links get the same object.

    Routers with the same attached nodes and the same sessions are looked at once, however many they are.
    """
    alike: dict[tuple[tuple[str, ...], tuple[str, ...] | None, tuple[str, ...]], list[str]] = {}
    today = cluster.today
    for router in cluster.routers:
        # Where all that work hold a session, there is no need to compare them.
        now = None if today.held_by_all(router.name) else today.held.get(router.name, ())
        key = cluster.attachments[router.name], now, today.down.get(router.name, ())
        alike.setdefault(key, []).append(router.name)
    groups = list(alike.values())
    codes: dict[str, tuple[tuple[int, bool | None], ...]] = {}
    for number, (names, now, down) in enumerate(alike):
        lost = set(down)
        # What a node was linked to before -> what it is with this group, by whether its session is held, None for down.
        then: dict[bool | None, dict[tuple[tuple[int, bool | None], ...], tuple[tuple[int, bool | None], ...]]]
        then = {True: {}, False: {}, None: {}}
        for name in names:
            before, held = codes.get(name, ()), name in running if now is None else contains(now, name)
            state = None if name in lost else held
            codes[name] = then[state].setdefault(before, (*before, (number, state)))
    found = {
        code: Links(
            *(
                tuple(sorted(router for number, state in code if state in states for router in groups[number]))
                for states in ((True, False, None), (True,), (None,))
            )
        )
        for code in {(), *codes.values()}
    }
    return lambda name: found[codes.get(name, ())]


def contains(names: Sequence[str], name: str) -> bool:
    """Whether a sorted sequence, which may be far longer than the number of times it is asked, holds the name."""
    at = bisect_left(names, name)
    return at < len(names) and names[at] == name


def retained(node: Node, to: Links, policy: Policy, judge: Callable[[Node], Verdict]) -> Links | None:
    """The links with which the node's running speaker may stay, None where it may not: only a cordon or a lack of room
    may keep it from being eligible, and under `selected` it has no other sessions than today."""
    if judge(structs.replace(node, unschedulable=False)).against:
        return None
    if policy.mode != "bgp":
        return to
    if not to.held:
        return None
    return to if policy.peering == "all-attached" else Links(to.held, to.held)


def classify(alike: Mapping[Likeness, list[str]], kinds: Sequence[str]) -> dict[Traits, list[str]]:
    """The candidates, grouped by traits.

    Exact: rules and goals see no more of a node than its traits, so exchanging two nodes of a class, with their
    sessions, keeps every rule and value. What they see of the nodes of a class together is the number x of speakers
    and s[r] of sessions with each router: of their sessions that change, those with routers held today are x - s[r]
    and the others s[r], whichever node has them. And all such numbers with s[r] <= x <= sum(s) <= capacity * x stand
    for sessions of single nodes, as `expand` shows.
    """
    groups: dict[Traits, list[str]] = {}
    for (to, values, room, cost, runs, pinned, stays, rack, broken, doubt), names in alike.items():
        domains = tuple((kind, value) for kind, value in zip(kinds, values, strict=True) if value is not None)
        held = to.held if runs else ()
        traits = Traits(to.routers, domains, room, cost, runs, held, pinned, stays, rack, to.down, broken, doubt)
        groups.setdefault(traits, []).extend(names)
    return groups


def one_segment(
    policy: Policy, survive: Sequence[Survive], groups: Mapping[Traits, list[str]]
) -> dict[Traits, list[str]]:
    """The candidates of layer 2 or VIP mode, all attached to one made-up router whose sessions are the speakers."""
    found: dict[Traits, list[str]] = {}
    for traits, names in groups.items():
        known, one = dict(traits.domains), (policy.mode,)
        domains = tuple((rule.kind, known[rule.kind]) for rule in survive if rule.kind in known)
        today = one if traits.runs else ()
        alone = structs.replace(traits, routers=one, domains=domains, capacity=1, today=today, down=())
        found.setdefault(alone, []).extend(names)
    return found


def several_segments(policy: Policy, groups: Mapping[Traits, list[str]]) -> str | None:
    """Why layer 2 or VIP mode cannot work: the candidates sit under different routers, so in different segments.

    A node without a router says nothing of where it sits.
    """
    under: Counter[tuple[str, ...]] = Counter()
    for traits, names in groups.items():
        if traits.routers and not traits.retained:
            under[traits.routers] += len(names)
    if len(under) < 2:
        return None
    parts = [f"{', '.join(routers[:3])}: {number} nodes" for routers, number in sorted(under.items())]
    more = f" and {len(parts) - 3} more groups" if len(parts) > 3 else ""
    return (
        f"mode {policy.mode} needs all speakers in one layer-2 network, but the nodes sit under different leaf "
        f"routers ({'; '.join(parts[:3])}{more}); use mode bgp, or exclude the nodes of the other networks"
    )


def layer2_survival(policy: Policy, candidates: Iterable[Traits]) -> tuple[Survive, ...]:
    """Speakers in different failure domains: one failure may take one speaker only.

    That is so for the kinds asked for, else for every known kind that has enough domains for it.
    """
    least = policy.speakers_per_router - 1
    kinds = {entry.kind: max(least, entry.survivors) for entry in policy.survive}
    if not policy.survive:
        values: dict[str, set[str]] = {}
        for traits in candidates:
            for kind, value in traits.domains if not traits.retained else ():
                values.setdefault(kind, set()).add(value)
        kinds = {kind: least for kind in sorted(values) if len(values[kind]) > least}
    return tuple(Survive(kind, survivors) for kind, survivors in kinds.items() if survivors)


def connected_components(
    classes: Sequence[NodeClass],
    routers: Sequence[Router],
    cluster: Cluster,
    policy: Policy,
    survive: Sequence[Survive],
) -> tuple[Component, ...]:
    """The connected components.

    Exact: no rule but the budget of moves links them, and every goal is a sum over them. The order of the goals is
    kept by sums (a before b is a + c before b + c), so the best of the whole is the best of each part.
    """
    by_name, now = {router.name: router for router in routers}, cluster.today.sessions
    known = {each.kind: {node.domains.get(each.kind) for node in cluster.nodes} - {None} for each in survive}
    groups: dict[tuple[str, ...], list[NodeClass]] = {}
    for member in classes:
        groups.setdefault(member.traits.routers, []).append(member)
    members = list(groups.values())
    racks = covered_racks(cluster, policy, classes)
    found = []
    for numbers, names in graph.components(list(groups), by_name):
        near: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
        for number in numbers:
            domains = {domain for member in members[number] for domain in member.traits.domains}
            for name in members[number][0].traits.routers:
                near[name] |= domains
        needs = tuple(router_need(by_name[name], now, policy, near[name], known, racks.get(name, ())) for name in names)
        found.append(Component(needs, tuple(member for number in numbers for member in members[number])))
    return tuple(found)


def router_need(
    router: Router,
    now: Mapping[str, Sequence[str]],
    policy: Policy,
    near: set[tuple[str, str]],
    known: Mapping[str, set[str | None]],
    racks: tuple[tuple[str, int], ...],
) -> RouterNeed:
    """What one router asks for, given the sessions configured `now`, the `near` domains of its candidates, all that are
    `known` by kind, and what its racks keep.

    While old and new sessions run together, only what today's leave free is spare: of those that are down each can come
    up at any time.
    """
    limit, spare = router.max_sessions, None
    today = len(now.get(router.name, ()))
    if limit is not None and today and not policy.allow_break:
        spare = max(0, limit - today)
    own = tuple((kind, router.domains[kind]) for kind in known if kind in router.domains)
    # Counted, as to subtract these from thousands of known ones for every router would take long.
    hit = [kind for kind, value in near.union(own) if value in known[kind]]
    elsewhere = tuple(kind for kind, values in known.items() if len(values) > hit.count(kind))
    if router.min_speakers == 0:
        return RouterNeed(router.name, 0, limit, spare, own)
    needed = max(policy.speakers_per_router, router.min_speakers or 0)
    return RouterNeed(router.name, needed, limit, spare, own, elsewhere, racks)


def expand(component: Component, solution: Solution) -> tuple[list[str], list[Session]]:
    """The speakers and sessions that a solution of the component stands for; the first names of each class.

    The sessions of a class are dealt out in turn, router by router: two nodes with (2, 1, 1) sessions to routers
    a, b, c hold (a, b) and (a, c). Exact: s[r] <= x turns in a row meet x nodes at most once each, so each session
    of a router is on another node; and a node gets every x-th of all, so their loads differ by one at most, and with
    x <= sum(s) <= capacity * x each has at least one and at most its capacity.
    """
    speakers: list[str] = []
    sessions: list[Session] = []
    for each, count, wanted in zip(component.classes, solution.speakers, solution.sessions, strict=True):
        chosen = each.names[:count]
        speakers += chosen
        turn = 0
        for router, number in zip(each.traits.routers, wanted, strict=True):
            for _ in range(number):
                sessions.append(Session(chosen[turn % count], router))
                turn += 1
    return speakers, sessions

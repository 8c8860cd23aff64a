"""Independent check of a placement.

Every rule is judged again from the input alone, without any code of the solver: one function a rule, the rule as
its docstring. A rule yields one sentence for each place where it is broken.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..model import Cluster, Node, Placement, Policy, Shortfall, Speaker
from ..speakers import product_named
from .nodes import Labels, Sentences, node_cost, overload, refusal, refusals, unmanaged

Gap = tuple[Shortfall, str]
"""What a router lacks under a rule, at worst over the domains that may fail, and the same in words."""


class Index(Struct, frozen=True):
    """A placement beside its input, indexed both ways; `values` are the domains of each kind, sorted.

    `degree` is the number of routers of every attached node, and `attached` names them for the nodes that matter.
    `kept` are the nodes that are not eligible but whose running speaker may stay under best effort. `lost` are by
    router the nodes whose session is down today. `racks` are those of all nodes where every rack is to keep sessions of
    its own, else empty.
    """

    cluster: Cluster
    policy: Policy
    placement: Placement
    nodes: Mapping[str, Node]
    degree: Mapping[str, int]
    attached: Mapping[str, set[str]]
    refused: Mapping[str, str]
    by_node: Mapping[str, set[str]]
    by_router: Mapping[str, set[str]]
    values: Mapping[str, list[str]]
    eligible: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    lost: Mapping[str, frozenset[str]] = {}
    racks: Labels = {}


def check_placement(cluster: Cluster, policy: Policy, placement: Placement, claims: bool = True) -> tuple[str, ...]:
    """One sentence for every rule that the placement breaks, with the router or node and the numbers.

    `claims`: what it says of itself, its objectives and counts, is checked too. They speak of the cluster for which it
    was made, so of a later state of the cluster they need not be true.
    """
    if placement.status == "infeasible":
        count = len(placement.speakers)
        return (f"the status is infeasible, but there are {count} speakers",) if count else ()
    index = look_up(cluster, policy, placement)
    named = {*placement.speakers, *(session.node for session in placement.sessions)}
    if unknown := sorted(named - index.nodes.keys()):
        return tuple(f"the input has no node {name}" for name in unknown)
    own = (check_sessions, check_router_limits) if policy.mode == "bgp" else (check_layer2,)
    common = (check_listed_once, check_eligible, check_capacity, check_gaps, check_pins, check_budget)
    said = (check_objectives, check_counts) if claims else ()
    return tuple(sentence for rule in (*common, *said, *own) for sentence in rule(index))


def look_up(cluster: Cluster, policy: Policy, placement: Placement) -> Index:
    """The placement beside its input."""
    by_node, by_router, values = (defaultdict[str, set[str]](set) for _ in range(3))
    for session in placement.sessions:
        by_node[session.node].add(session.router)
        by_router[session.router].add(session.node)
    protected = {rule.kind for rule in policy.survive}
    for node in cluster.nodes:
        # Outside mode bgp kinds that are not named may count as well.
        for kind in protected if policy.mode == "bgp" else node.domains:
            if kind in node.domains:
                values[kind].add(node.domains[kind])
    degree, attached = attachments(cluster, policy, placement)
    foreign = cluster.speaker and unmanaged(cluster.speaker, policy.speaker.label[0])
    refused = refusals(cluster, policy, foreign)
    for name in cluster.today.refused:
        refused.setdefault(name, "the scheduler finds no place for a speaker there")
    nodes = {node.name: node for node in cluster.nodes}
    ordered = {kind: sorted(found) for kind, found in values.items()}
    lost = {router: frozenset(names) for router, names in cluster.today.down.items()}
    index = Index(cluster, policy, placement, nodes, degree, attached, refused, by_node, by_router, ordered, lost=lost)
    covers = policy.mode == "bgp" and policy.coverage is not False
    racks = product_named(cluster.product).announced_with(cluster) if covers else {}
    index = replace(index, eligible=frozenset(candidates(index)), racks=racks)
    running = cluster.today.working if policy.best_effort else ()
    return replace(index, kept=frozenset(name for name in running if may_stay(index, name, foreign)))


def attachments(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[Counter[str], Mapping[str, set[str]]]:
    """For every attached node the number of its routers, and for those that matter the routers.

    These are the nodes of the placement, under best effort today's too, and outside mode bgp all. Routers with the
    same attached nodes are gone through once.
    """
    matter = {*placement.speakers, *(session.node for session in placement.sessions)}
    if policy.best_effort:
        matter.update(cluster.today.working)
    alike, degree, attached = (
        defaultdict[tuple[str, ...], list[str]](list),
        Counter[str](),
        defaultdict[str, set[str]](set),
    )
    for router, names in cluster.attachments.items():
        alike[names].append(router)
    for names, routers in alike.items():
        for name in names:
            degree[name] += len(routers)
        for name in names if policy.mode != "bgp" else matter.intersection(names):
            attached[name].update(routers)
    return degree, attached


def may_stay(index: Index, name: str, foreign: Speaker | None) -> bool:
    """Whether best effort may leave a running speaker on a node that is not eligible.

    Only a cordon or a lack of room is against the node, and it holds a session that can go on.
    """
    if name not in index.nodes or name in index.eligible:
        return False
    if refusal(replace(index.nodes[name], unschedulable=False), index.policy, foreign):
        return False
    return index.policy.mode != "bgp" or bool(sessions_now(index, name))


def sessions_now(index: Index, name: str) -> set[str]:
    """The attached routers with which the node's speaker has a session today."""
    return {router for router in index.attached.get(name, ()) if runs_now(index, router, name)}


def runs_now(index: Index, router: str, name: str) -> bool:
    """Whether the node's speaker has a session with the router today that is not down."""
    return configured_now(index, router, name) and name not in index.lost.get(router, ())


def configured_now(index: Index, router: str, name: str) -> bool:
    """Whether the node's speaker has a session with the router configured today; looked up in the sorted names."""
    names = index.cluster.today.sessions.get(router, ())
    at = bisect_left(names, name)
    return at < len(names) and names[at] == name


def candidates(index: Index) -> Sentences:
    """The nodes that a speaker could be on: nothing refuses them, they reach a router, and the least load fits."""
    in_bgp, selected = index.policy.mode == "bgp", index.policy.peering == "selected"
    for node in index.cluster.nodes:
        degree = index.degree.get(node.name, 0)
        sessions = min(degree, 1) if selected else degree
        if node.name in index.refused or (in_bgp and not degree):
            continue
        if not any(overload(node, sessions if in_bgp else 0, index.policy, index.cluster)):
            yield node.name


def check_listed_once(index: Index) -> Sentences:
    """No speaker and no session is listed twice."""
    sessions = (f"session {session.node} - {session.router}" for session in index.placement.sessions)
    listed = Counter((*(f"speaker {name}" for name in index.placement.speakers), *sessions))
    yield from (f"{what} is listed {count} times" for what, count in listed.items() if count > 1)


def check_eligible(index: Index) -> Sentences:
    """Speakers are on eligible nodes only, but for those that stay under best effort, which open no session then."""
    for name in index.placement.speakers:
        if name in index.kept:
            opened = index.by_node.get(name, set()) - sessions_now(index, name)
            if opened and index.policy.peering == "selected":
                yield f"node {name} is not eligible, its speaker stays but opens a session with {min(opened)}"
        elif name in index.refused:
            yield f"node {name} has a speaker but is not eligible: {index.refused[name]}"


def check_capacity(index: Index) -> Sentences:
    """Requests and sessions of a speaker fit what its node has free, and the limit of sessions of a speaker."""
    policy = index.policy
    for name in index.placement.speakers:
        held = len(index.by_node.get(name, ())) if policy.peering == "selected" else index.degree.get(name, 0)
        if name not in index.kept:
            yield from overload(index.nodes[name], held if policy.mode == "bgp" else 0, policy, index.cluster)


def check_pins(index: Index) -> Sentences:
    """Every pinned node has a speaker."""
    for name in sorted(set(index.policy.nodes.pin) - set(index.placement.speakers)):
        yield f"node {name} is pinned but has no speaker"


def moved(index: Index) -> frozenset[str]:
    """Eligible nodes whose speaker starts or stops; a speaker on any other node has to stop anyway."""
    return index.eligible & (set(index.placement.speakers) ^ set(index.cluster.today.working))


def check_budget(index: Index) -> Sentences:
    """Speakers started plus stopped stay within the budget of moves; one that does not work and stays does neither."""
    budget = index.policy.max_moves
    if budget is not None and len(moves := moved(index).difference(index.cluster.today.broken)) > budget:
        yield f"{len(moves)} speakers start or stop, the budget is {budget} moves: {', '.join(sorted(moves)[:5])}"


def check_sessions(index: Index) -> Sentences:
    """Sessions belong to speakers, along attachments; a speaker has one, under all-attached with every router."""
    speakers = set(index.placement.speakers)
    for session in index.placement.sessions:
        if session.node not in speakers:
            yield f"session {session.node} - {session.router}: node {session.node} has no speaker"
        if session.router not in index.attached.get(session.node, ()):
            yield f"session {session.node} - {session.router}: the node is not attached to that router"
    for name in index.placement.speakers:
        held = index.by_node.get(name, set())
        if not held:
            yield f"node {name} has a speaker without any session"
        if index.policy.peering == "all-attached":
            for router in sorted(index.attached.get(name, set()) - held):
                yield f"node {name} has no session with {router}, though its speaker peers with all attached routers"


def check_router_limits(index: Index) -> Sentences:
    """No router has more sessions than its limit; unless breaks are allowed, old and new ones together neither."""
    for router in index.cluster.routers:
        name, limit = router.name, router.max_sessions
        if limit is None:
            continue
        held = index.by_router.get(name, ())
        today = len(index.cluster.today.sessions.get(name, ()))
        if len(held) > limit:
            yield f"router {name} has {len(held)} sessions, its limit is {limit}"
        opened = sum(not configured_now(index, name, node) for node in held)
        if opened > max(0, limit - today) and not index.policy.allow_break:
            yield f"router {name} opens {opened} sessions beside {today} of today, its limit is {limit}"


def check_layer2(index: Index) -> Sentences:
    """Outside mode bgp there are no sessions, and all eligible nodes share one network: the same routers."""
    mode = index.policy.mode
    if index.placement.sessions:
        yield f"mode {mode} has no sessions, the placement lists {len(index.placement.sessions)}"
    networks = {frozenset(index.attached[name]): name for name in sorted(index.eligible) if index.attached.get(name)}
    if len(networks) > 1:
        some = [f"{name} under {', '.join(sorted(routers))}" for routers, name in networks.items()]
        yield f"mode {mode}: nodes sit under different leaf routers: {some[0]}; {some[1]}"


def gaps(index: Index, today: bool = False) -> Iterator[Gap]:
    """All that redundancy, survival and coverage lack, router by router; in layer 2 the mode stands for the router.
    Under best effort a rack without any session lacks its announcement too.

    A router with `minSpeakers: 0` asks for nothing. With `today` in today's sessions with nodes that are eligible or
    may keep their speaker.
    """
    policy, kinds = index.policy, {rule.kind: rule.survivors for rule in index.policy.survive}
    going_on = index.eligible | index.kept
    sizes: dict[tuple[str, ...], Counter[str]] = {}
    for router in index.cluster.routers if policy.mode == "bgp" else ():
        if router.min_speakers == 0:
            continue
        needed = max(policy.speakers_per_router, router.min_speakers or 0)
        held = index.by_router.get(router.name, set())
        if today:
            attached = going_on.intersection(index.cluster.attachments[router.name])
            held = {name for name in attached if runs_now(index, router.name, name)}
        yield from gaps_of(index, router.name, held, needed, router.domains, kinds)
        if index.racks:
            yield from uncovered(index, router.name, held, rack_sizes(index, router.name, sizes))
    if policy.mode != "bgp":
        needed, values = policy.speakers_per_router, defaultdict[str, set[str]](set)
        for name in index.eligible:
            for kind, value in index.nodes[name].domains.items():
                values[kind].add(value)
        # Unless kinds are named, those count that have enough domains.
        present = kinds or {kind for kind, found in values.items() if len(found) >= needed}
        kinds = {kind: max(kinds.get(kind, 0), needed - 1) for kind in sorted(present)}
        held = set(index.placement.speakers)
        if today:
            held = {name for name in index.cluster.today.working if name in going_on}
        yield from gaps_of(index, policy.mode, held, needed, {}, kinds)


def gaps_of(
    index: Index, router: str, held: set[str], needed: int, own: Labels, kinds: dict[str, int]
) -> Iterator[Gap]:
    """A router has `needed` sessions, on the nodes `held`, and of each kind any domain but its own may fail."""
    who, what = (f"router {router}", "sessions") if index.policy.mode == "bgp" else (f"mode {router}", "speakers")
    if (short := needed - len(held)) > 0:
        yield Shortfall(router, "redundancy", short), f"{who} has {len(held)} {what}, it needs {needed}"
    for kind, wanted in kinds.items():
        known, spared = index.values.get(kind, []), own.get(kind)
        inside = Counter(index.nodes[name].domains.get(kind) for name in held)
        most = max((number for value, number in inside.items() if value not in (None, spared)), default=0)
        short = wanted - len(held) + most
        if short > 0 and (failing := [value for value in known if value != spared]):
            worst = next(value for value in failing if inside[value] == most)
            fact = f"{who} keeps {len(held) - most} {what} when {kind} {worst} fails, it needs {wanted}"
            yield Shortfall(router, f"survival of {kind}", short), fact


def rack_sizes(index: Index, router: str, known: dict[tuple[str, ...], Counter[str]]) -> Counter[str]:
    """How many nodes of each rack could hold a session with a router: attached ones that are eligible, and under best
    effort those whose speaker may stay with it. `known` are the eligible ones by the names of the attached nodes."""
    names = index.cluster.attachments[router]
    if names not in known:
        known[names] = Counter(map(index.racks.__getitem__, index.eligible.intersection(names)))
    staying = (name for name in index.kept if router in index.attached[name])
    if index.policy.peering == "selected":
        staying = (n for n in index.kept if router in index.attached[n] and runs_now(index, router, n))
    return known[names] + Counter(index.racks[name] for name in staying)


def uncovered(index: Index, router: str, held: set[str], sizes: Counter[str]) -> Iterator[Gap]:
    """Every rack that only its own speakers announce has as many sessions with a router, on the nodes `held`, as are
    wanted of any router, or as it has nodes for it."""
    have = Counter(map(index.racks.__getitem__, held))
    for rack, size in sorted(sizes.items()):
        wanted = min(size, index.policy.speakers_per_router)
        if have[rack] < wanted:
            who = f"rack {rack}" if rack else "nodes in no rack"
            if index.policy.best_effort and not have[rack]:
                yield Shortfall(router, f"announcement of {who}", 1), f"router {router} has no session with {who}"
            fact = f"router {router} has {have[rack]} sessions with {who}, which needs {wanted} to be announced there"
            yield Shortfall(router, f"coverage of {who}", wanted - have[rack]), fact


def check_gaps(index: Index) -> Sentences:
    """Redundancy, survival and coverage hold; under best effort they lack exactly what the shortfalls say."""
    facts, listed = dict(gaps(index)), Counter(index.placement.shortfalls)
    if index.policy.best_effort:
        unsaid = {gap: f"{fact}, and no shortfall says so" for gap, fact in facts.items() if gap not in listed}
        facts, listed = unsaid, listed - Counter(list(facts))
    yield from facts.values()
    for gap in listed:
        yield f"shortfall of {gap.missing} at {gap.router} in {gap.rule} is listed, but is not so"


def leaves_short(rule: str) -> bool:
    """Whether a rule that is missed leaves a router short of sessions, or without any of a rack's; else too much hangs
    on what is there."""
    return rule == "redundancy" or rule.startswith("announcement of ")


def goal_values(index: Index) -> dict[str, int]:
    """The value of every goal, counted from the placement; rules are missed under best effort only."""
    placement, policy, today = index.placement, index.policy, index.cluster.today
    missing, before = (
        {(gap.router, gap.rule): gap.missing for gap, _ in (gaps(index, at) if policy.best_effort else ())}
        for at in (False, True)
    )
    staying = set(placement.speakers) & set(today.working)
    running = {(name, router) for name in staying for router in sessions_now(index, name)}
    changed = running ^ {(session.node, session.router) for session in placement.sessions if session.node in staying}
    return {
        "worsened": sum(max(0, number - before.get(rule, 0)) for rule, number in missing.items()),
        "shortfall": sum(number for (_, rule), number in missing.items() if leaves_short(rule)),
        "exposure": sum(number for (_, rule), number in missing.items() if not leaves_short(rule)),
        "retained": len(index.kept.intersection(placement.speakers)),
        "sessions": len(placement.sessions),
        "speakers": len(placement.speakers),
        "moves": len(moved(index)),
        "sessionMoves": len(changed),
        "cost": sum(node_cost(index.nodes[name], policy) + 20 * (name in today.broken) for name in placement.speakers),
    }


def check_objectives(index: Index) -> Sentences:
    """Objectives come in goal order with true values; no bound exceeds its value, and optimal means they are equal."""
    policy, placement, true = index.policy, index.placement, goal_values(index)
    names = [objective.name for objective in placement.objectives]
    first = ("worsened", "shortfall", "exposure", "retained") if policy.best_effort else ()
    wanted = [*first, *(goal for goal in policy.goals if policy.mode == "bgp" or not goal.startswith("session"))]
    if names != wanted:
        yield f"the objectives are {', '.join(names) or 'none'}, the goals are {', '.join(wanted) or 'none'}"
    for objective in placement.objectives:
        name, value, bound = objective.name, objective.value, objective.bound
        if name in wanted and true.get(name, value) != value:
            yield f"objective {name} is given as {value}, it is {true[name]}"
        if bound > value or (bound < value and placement.status == "optimal"):
            yield f"objective {name} has the bound {bound} and the value {value}, the status is {placement.status}"


def check_counts(index: Index) -> Sentences:
    """The counts of today's speakers and sessions, and of eligible and other nodes, are those of the input."""
    given, today, eligible = index.placement, index.cluster.today, len(index.eligible)
    sessions, up, down = (sum(map(len, each.values())) for each in (today.sessions, today.up, today.down))
    then = given.today
    for what, said, true in (
        ("speakers of today", then.speakers, len(today.speakers)),
        ("sessions of today", then.sessions, sessions),
        ("speakers that work today", then.working, len(today.speakers) - len(today.broken)),
        ("sessions of today that are up", then.up, up),
        ("sessions of today that are down", then.down, down),
        ("eligible nodes", given.eligible, eligible),
        ("nodes that are not eligible", sum(given.ineligible.values()), len(index.nodes) - eligible),
    ):
        # A placement of an earlier release says nothing of what was up.
        if said is not None and said != true:
            yield f"{what} are given as {said}, they are {true}"

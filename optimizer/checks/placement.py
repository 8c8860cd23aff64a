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
from .nodes import Labels, Sentences, node_cost, overload, refusal, refusals, unmanaged

Gap = tuple[Shortfall, str]
"""What a router lacks under a rule, at worst over the domains that may fail, and the same in words."""


class Case(Struct, frozen=True):
    """A placement beside its input, looked up both ways; `values` are the domains of each kind, sorted.

    `degree` is the number of routers of every attached node, and `attached` names them for the nodes that matter.
    `kept` are the nodes that are not eligible but whose running speaker may stay under best effort.
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


def check_placement(cluster: Cluster, policy: Policy, placement: Placement, claims: bool = True) -> tuple[str, ...]:
    """One sentence for every rule that the placement breaks, with the router or node and the numbers.

    `claims`: what it says of itself, its objectives and counts, is checked too. They tell of the cluster for which it
    was made, so of a later state of the cluster they need not be true.
    """
    if placement.status == "infeasible":
        count = len(placement.speakers)
        return (f"the status is infeasible, but there are {count} speakers",) if count else ()
    case = look_up(cluster, policy, placement)
    named = {*placement.speakers, *(session.node for session in placement.sessions)}
    if unknown := sorted(named - case.nodes.keys()):
        return tuple(f"the input has no node {name}" for name in unknown)
    own = (check_sessions, check_router_limits) if policy.mode == "bgp" else (check_layer2,)
    common = (check_listed_once, check_eligible, check_capacity, check_gaps, check_pins, check_budget)
    said = (check_objectives, check_counts) if claims else ()
    return tuple(sentence for rule in (*common, *said, *own) for sentence in rule(case))


def look_up(cluster: Cluster, policy: Policy, placement: Placement) -> Case:
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
    nodes = {node.name: node for node in cluster.nodes}
    ordered = {kind: sorted(found) for kind, found in values.items()}
    case = Case(cluster, policy, placement, nodes, degree, attached, refused, by_node, by_router, ordered)
    case = replace(case, eligible=frozenset(candidates(case)))
    running = cluster.today.speakers if policy.best_effort else ()
    return replace(case, kept=frozenset(name for name in running if may_stay(case, name, foreign)))


def attachments(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[Counter[str], Mapping[str, set[str]]]:
    """For every attached node the number of its routers, and for those that matter the routers.

    These are the nodes of the placement, under best effort today's too, and outside mode bgp all. Routers with the
    same attached nodes are gone through once.
    """
    matter = {*placement.speakers, *(session.node for session in placement.sessions)}
    if policy.best_effort:
        matter.update(cluster.today.speakers)
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


def may_stay(case: Case, name: str, foreign: Speaker | None) -> bool:
    """Whether best effort may leave a running speaker on a node that is not eligible.

    Only a cordon or a lack of room is against the node, and it holds a session that can go on.
    """
    if name not in case.nodes or name in case.eligible:
        return False
    if refusal(replace(case.nodes[name], unschedulable=False), case.policy, foreign):
        return False
    return case.policy.mode != "bgp" or bool(sessions_now(case, name))


def sessions_now(case: Case, name: str) -> set[str]:
    """The attached routers with which the node's speaker has a session today."""
    return {router for router in case.attached.get(name, ()) if runs_now(case, router, name)}


def runs_now(case: Case, router: str, name: str) -> bool:
    """Whether the node's speaker has a session with the router today; looked up in the sorted names."""
    names = case.cluster.today.sessions.get(router, ())
    at = bisect_left(names, name)
    return at < len(names) and names[at] == name


def candidates(case: Case) -> Sentences:
    """The nodes that a speaker could be on: nothing refuses them, they reach a router, and the least load fits."""
    in_bgp, selected = case.policy.mode == "bgp", case.policy.peering == "selected"
    for node in case.cluster.nodes:
        degree = case.degree.get(node.name, 0)
        sessions = min(degree, 1) if selected else degree
        if node.name in case.refused or (in_bgp and not degree):
            continue
        if not any(overload(node, sessions if in_bgp else 0, case.policy, case.cluster)):
            yield node.name


def check_listed_once(case: Case) -> Sentences:
    """No speaker and no session is listed twice."""
    sessions = (f"session {session.node} - {session.router}" for session in case.placement.sessions)
    listed = Counter((*(f"speaker {name}" for name in case.placement.speakers), *sessions))
    yield from (f"{what} is listed {count} times" for what, count in listed.items() if count > 1)


def check_eligible(case: Case) -> Sentences:
    """Speakers are on eligible nodes only, but for those that stay under best effort, which open no session then."""
    for name in case.placement.speakers:
        if name in case.kept:
            opened = case.by_node.get(name, set()) - sessions_now(case, name)
            if opened and case.policy.peering == "selected":
                yield f"node {name} is not eligible, its speaker stays but opens a session with {min(opened)}"
        elif name in case.refused:
            yield f"node {name} has a speaker but is not eligible: {case.refused[name]}"


def check_capacity(case: Case) -> Sentences:
    """Requests and sessions of a speaker fit what its node has free, and the limit of sessions of a speaker."""
    policy = case.policy
    for name in case.placement.speakers:
        held = len(case.by_node.get(name, ())) if policy.peering == "selected" else case.degree.get(name, 0)
        if name not in case.kept:
            yield from overload(case.nodes[name], held if policy.mode == "bgp" else 0, policy, case.cluster)


def check_pins(case: Case) -> Sentences:
    """Every pinned node has a speaker."""
    for name in sorted(set(case.policy.nodes.pin) - set(case.placement.speakers)):
        yield f"node {name} is pinned but has no speaker"


def moved(case: Case) -> frozenset[str]:
    """Eligible nodes whose speaker starts or stops; a speaker on any other node has to stop anyway."""
    return case.eligible & (set(case.placement.speakers) ^ set(case.cluster.today.speakers))


def check_budget(case: Case) -> Sentences:
    """Speakers started plus stopped stay within the budget of moves."""
    budget = case.policy.max_moves
    if budget is not None and len(moves := moved(case)) > budget:
        yield f"{len(moves)} speakers start or stop, the budget is {budget} moves: {', '.join(sorted(moves)[:5])}"


def check_sessions(case: Case) -> Sentences:
    """Sessions belong to speakers, along attachments; a speaker has one, under all-attached with every router."""
    speakers = set(case.placement.speakers)
    for session in case.placement.sessions:
        if session.node not in speakers:
            yield f"session {session.node} - {session.router}: node {session.node} has no speaker"
        if session.router not in case.attached.get(session.node, ()):
            yield f"session {session.node} - {session.router}: the node is not attached to that router"
    for name in case.placement.speakers:
        held = case.by_node.get(name, set())
        if not held:
            yield f"node {name} has a speaker without any session"
        if case.policy.peering == "all-attached":
            for router in sorted(case.attached.get(name, set()) - held):
                yield f"node {name} has no session with {router}, though its speaker peers with all attached routers"


def check_router_limits(case: Case) -> Sentences:
    """No router has more sessions than its limit; unless breaks are allowed, old and new ones together neither."""
    for router in case.cluster.routers:
        name, limit = router.name, router.max_sessions
        if limit is None:
            continue
        held, today = case.by_router.get(name, ()), len(case.cluster.today.sessions.get(name, ()))
        if len(held) > limit:
            yield f"router {name} has {len(held)} sessions, its limit is {limit}"
        opened = sum(not runs_now(case, name, node) for node in held)
        if opened > max(0, limit - today) and not case.policy.allow_break:
            yield f"router {name} opens {opened} sessions beside {today} of today, its limit is {limit}"


def check_layer2(case: Case) -> Sentences:
    """Outside mode bgp there are no sessions, and all eligible nodes share one network: the same routers."""
    mode = case.policy.mode
    if case.placement.sessions:
        yield f"mode {mode} has no sessions, the placement lists {len(case.placement.sessions)}"
    networks = {frozenset(case.attached[name]): name for name in sorted(case.eligible) if case.attached.get(name)}
    if len(networks) > 1:
        some = [f"{name} under {', '.join(sorted(routers))}" for routers, name in networks.items()]
        yield f"mode {mode}: nodes sit under different leaf routers: {some[0]}; {some[1]}"


def gaps(case: Case, today: bool = False) -> Iterator[Gap]:
    """All that redundancy and survival lack, router by router; in layer 2 the mode stands for the router.

    With `today` in today's sessions with nodes that are eligible or may keep their speaker.
    """
    policy, kinds = case.policy, {rule.kind: rule.survivors for rule in case.policy.survive}
    going_on = case.eligible | case.kept
    for router in case.cluster.routers if policy.mode == "bgp" else ():
        needed = max(policy.speakers_per_router, router.min_speakers or 0)
        held = case.by_router.get(router.name, set())
        if today:
            attached = going_on.intersection(case.cluster.attachments[router.name])
            held = {name for name in attached if runs_now(case, router.name, name)}
        yield from gaps_of(case, router.name, held, needed, router.domains, kinds)
    if policy.mode != "bgp":
        needed, values = policy.speakers_per_router, defaultdict[str, set[str]](set)
        for name in case.eligible:
            for kind, value in case.nodes[name].domains.items():
                values[kind].add(value)
        # Unless kinds are named, those count that have enough domains.
        present = kinds or {kind for kind, found in values.items() if len(found) >= needed}
        kinds = {kind: max(kinds.get(kind, 0), needed - 1) for kind in sorted(present)}
        held = set(case.placement.speakers)
        if today:
            held = {name for name in case.cluster.today.speakers if name in going_on}
        yield from gaps_of(case, policy.mode, held, needed, {}, kinds)


def gaps_of(case: Case, router: str, held: set[str], needed: int, own: Labels, kinds: dict[str, int]) -> Iterator[Gap]:
    """A router has `needed` sessions, on the nodes `held`, and of each kind any domain but its own may fail."""
    who, what = (f"router {router}", "sessions") if case.policy.mode == "bgp" else (f"mode {router}", "speakers")
    if (short := needed - len(held)) > 0:
        yield Shortfall(router, "redundancy", short), f"{who} has {len(held)} {what}, it needs {needed}"
    for kind, wanted in kinds.items():
        known, spared = case.values.get(kind, []), own.get(kind)
        inside = Counter(case.nodes[name].domains.get(kind) for name in held)
        most = max((number for value, number in inside.items() if value not in (None, spared)), default=0)
        short = wanted - len(held) + most
        if short > 0 and (failing := [value for value in known if value != spared]):
            worst = next(value for value in failing if inside[value] == most)
            fact = f"{who} keeps {len(held) - most} {what} when {kind} {worst} fails, it needs {wanted}"
            yield Shortfall(router, f"survival of {kind}", short), fact


def check_gaps(case: Case) -> Sentences:
    """Redundancy and survival hold; under best effort they lack exactly what the shortfalls say."""
    facts, listed = dict(gaps(case)), Counter(case.placement.shortfalls)
    if case.policy.best_effort:
        unsaid = {gap: f"{fact}, and no shortfall says so" for gap, fact in facts.items() if gap not in listed}
        facts, listed = unsaid, listed - Counter(list(facts))
    yield from facts.values()
    for gap in listed:
        yield f"shortfall of {gap.missing} at {gap.router} in {gap.rule} is listed, but is not so"


def goal_values(case: Case) -> dict[str, int]:
    """The value of every goal, counted from the placement; rules are missed under best effort only."""
    placement, policy, today = case.placement, case.policy, case.cluster.today
    missing, before = (
        {(gap.router, gap.rule): gap.missing for gap, _ in (gaps(case, at) if policy.best_effort else ())}
        for at in (False, True)
    )
    staying = set(placement.speakers) & set(today.speakers)
    running = {(name, router) for name in staying for router in sessions_now(case, name)}
    changed = running ^ {(session.node, session.router) for session in placement.sessions if session.node in staying}
    return {
        "worsened": sum(max(0, number - before.get(rule, 0)) for rule, number in missing.items()),
        "shortfall": sum(number for (_, rule), number in missing.items() if rule == "redundancy"),
        "exposure": sum(number for (_, rule), number in missing.items() if rule != "redundancy"),
        "retained": len(case.kept.intersection(placement.speakers)),
        "sessions": len(placement.sessions),
        "speakers": len(placement.speakers),
        "moves": len(moved(case)),
        "sessionMoves": len(changed),
        "cost": sum(node_cost(case.nodes[name], policy) for name in placement.speakers),
    }


def check_objectives(case: Case) -> Sentences:
    """Objectives come in goal order with true values; no bound exceeds its value, and optimal means they are equal."""
    policy, placement, true = case.policy, case.placement, goal_values(case)
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


def check_counts(case: Case) -> Sentences:
    """The counts of today's speakers and sessions, and of eligible and other nodes, are those of the input."""
    given, today, eligible = case.placement, case.cluster.today, len(case.eligible)
    for what, said, true in (
        ("speakers of today", given.today.speakers, len(today.speakers)),
        ("sessions of today", given.today.sessions, sum(map(len, today.sessions.values()))),
        ("eligible nodes", given.eligible, eligible),
        ("nodes that are not eligible", sum(given.ineligible.values()), len(case.nodes) - eligible),
    ):
        if said != true:
            yield f"{what} are given as {said}, they are {true}"

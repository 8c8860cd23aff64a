"""Independent check of a placement.

Every rule is judged again from the input alone, without any code of the solver: one function a rule, the rule as
its docstring. A rule yields one sentence for each place where it is broken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from . import kube, model
from .model import Cluster, LabelSelector, Node, Placement, Policy, Resources, Shortfall, Speaker

DEFAULT_REQUESTS = Resources(cpu=100, memory=100 * 2**20)
"""What OpenELB's release manifest requests; used where the input has no DaemonSet."""

CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
UNITS = {"cpu": "millicores of CPU", "memory": "bytes of memory", "pods": "pods"}

Labels = Mapping[str, str]
Plain = Mapping[str, Any]
Sentences = Iterator[str]
Gap = tuple[Shortfall, str]
"""What a router lacks under a rule, at worst over the domains that may fail, and the same in words."""


class Case(Struct, frozen=True):
    """A placement beside its input, looked up both ways; `values` are the domains of each kind.

    `kept` are the nodes that are not eligible but whose running speaker may stay under best effort.
    """

    cluster: Cluster
    policy: Policy
    placement: Placement
    nodes: Mapping[str, Node]
    attached: Mapping[str, set[str]]
    refused: Mapping[str, str]
    by_node: Mapping[str, set[str]]
    by_router: Mapping[str, set[str]]
    values: Mapping[str, set[str]]
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
    attached, by_node, by_router, values = (defaultdict[str, set[str]](set) for _ in range(4))
    for router, names in cluster.attachments.items():
        for name in names:
            attached[name].add(router)
    for session in placement.sessions:
        by_node[session.node].add(session.router)
        by_router[session.router].add(session.node)
    for node in cluster.nodes:
        for kind, value in node.domains.items():
            values[kind].add(value)
    foreign = cluster.speaker and unmanaged(cluster.speaker, policy.speaker.label[0])
    reasons = ((node.name, refusal(node, policy, foreign)) for node in cluster.nodes)
    refused = {name: reason for name, reason in reasons if reason}
    nodes = {node.name: node for node in cluster.nodes}
    case = Case(cluster, policy, placement, nodes, attached, refused, by_node, by_router, values)
    case = replace(case, eligible=frozenset(name for name in nodes if is_candidate(case, name)))
    return replace(case, kept=frozenset(name for name in cluster.today.speakers if may_stay(case, name, foreign)))


def may_stay(case: Case, name: str, foreign: Speaker | None) -> bool:
    """Whether best effort may leave a running speaker on a node that is not eligible.

    Only a cordon or a lack of room is against the node, and it holds a session that can go on.
    """
    if not case.policy.best_effort or name not in case.nodes or name in case.eligible:
        return False
    if refusal(replace(case.nodes[name], unschedulable=False), case.policy, foreign):
        return False
    return case.policy.mode != "bgp" or bool(sessions_now(case, name))


def sessions_now(case: Case, name: str) -> set[str]:
    """The attached routers with which the node's speaker has a session today."""
    return {router for router in case.attached.get(name, ()) if name in case.cluster.today.sessions.get(router, ())}


def unmanaged(speaker: Speaker, key: str) -> Speaker:
    """The DaemonSet without what it asks of the label `key`, which an export sets or removes as it needs."""
    selector = {name: value for name, value in speaker.node_selector.items() if name != key}
    terms = speaker.affinity or ()
    kept = [tuple(part for part in term.match_expressions if part.key != key) for term in terms]
    asked = [replace(term, match_expressions=parts) for term, parts in zip(terms, kept, strict=True)]
    # Any one term is enough, so one that asked for nothing else lets every node pass.
    free = any(old != new == model.NodeSelectorTerm() for old, new in zip(terms, asked, strict=True))
    affinity = None if free or speaker.affinity is None else tuple(asked)
    return replace(speaker, node_selector=selector, affinity=affinity)


def refusal(node: Node, policy: Policy, foreign: Speaker | None) -> str | None:
    """Why no speaker may be on the node, whatever its room; `foreign` is the DaemonSet without our own label."""
    if node.ready is False:
        return "it is not Ready"
    if node.unschedulable:
        return "it is cordoned"
    if node.deleting:
        return "it is being deleted"
    if node.name in policy.nodes.ban:
        return "the policy bans it"
    if any(kube.selects(selector, node.labels) for selector in policy.nodes.exclude):
        return "the policy excludes it"
    key, value = policy.speaker.label
    taints = [taint for taint in node.taints if taint != model.Taint(key, "NoSchedule", value)]
    return pod_refusal(foreign, node.name, node.labels, taints) if foreign else None


def pod_refusal(speaker: Speaker, name: str, labels: Labels, taints: Iterable[model.Taint]) -> str | None:
    """Why the DaemonSet wants no pod on a node, or None."""
    if not kube.selects(LabelSelector(speaker.node_selector), labels):
        return "the DaemonSet's nodeSelector does not select it"
    if not kube.affinity_selects(speaker.affinity, name, labels):
        return "the DaemonSet's node affinity does not select it"
    taint = kube.untolerated(taints, speaker.tolerations, speaker.host_network)
    return f"the DaemonSet does not tolerate its taint {taint.key}:{taint.effect}" if taint else None


def is_candidate(case: Case, name: str) -> bool:
    """Whether a speaker could be on the node: nothing refuses it, it reaches a router, and the least load fits."""
    if name in case.refused or (case.policy.mode == "bgp" and not case.attached.get(name)):
        return False
    return not any(overload(case, name, chosen=1))


def overload(case: Case, name: str, chosen: int) -> Sentences:
    """What a speaker needs on the node beyond what is free or allowed, under `selected` with that many sessions."""
    needs, node, speaker, sessions = case.policy.speaker, case.nodes[name], case.cluster.speaker, 0
    if case.policy.mode == "bgp":
        sessions = chosen if case.policy.peering == "selected" else len(case.attached.get(name, ()))
    if needs.max_sessions is not None and sessions > needs.max_sessions:
        yield f"node {name} has {sessions} sessions, the limit of a speaker is {needs.max_sessions}"
    if node.allocatable is None:
        return
    base, each = needs.requests or (speaker.requests if speaker else DEFAULT_REQUESTS), needs.per_session
    # A speaker is one pod, whether its requests count it or not.
    need = Resources(base.cpu + each.cpu * sessions, base.memory + each.memory * sessions, 1)
    free = node.allocatable - node.requested
    for resource, unit in UNITS.items():
        wanted, left = getattr(need, resource), getattr(free, resource)
        if wanted > max(left, 0):
            yield f"node {name} has {left} {unit} free, a speaker with {sessions} sessions needs {wanted}"


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
    for name in case.placement.speakers:
        if name not in case.kept:
            yield from overload(case, name, chosen=len(case.by_node.get(name, ())))


def check_pins(case: Case) -> Sentences:
    """Every pinned node has a speaker."""
    for name in sorted(set(case.policy.nodes.pin) - set(case.placement.speakers)):
        yield f"node {name} is pinned but has no speaker"


def moved(case: Case) -> list[str]:
    """Eligible nodes whose speaker starts or stops; a speaker on any other node has to stop anyway."""
    return sorted(case.eligible & (set(case.placement.speakers) ^ set(case.cluster.today.speakers)))


def check_budget(case: Case) -> Sentences:
    """Speakers started plus stopped stay within the budget of moves."""
    budget, moves = case.policy.max_moves, moved(case)
    if budget is not None and len(moves) > budget:
        yield f"{len(moves)} speakers start or stop, the budget is {budget} moves: {', '.join(moves[:5])}"


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
        held, today = case.by_router.get(name, set()), set(case.cluster.today.sessions.get(name, ()))
        if limit is None:
            continue
        if len(held) > limit:
            yield f"router {name} has {len(held)} sessions, its limit is {limit}"
        opened = len(held - today)
        if opened > max(0, limit - len(today)) and not case.policy.allow_break:
            yield f"router {name} opens {opened} sessions beside {len(today)} of today, its limit is {limit}"


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
        attached = {name for name in case.cluster.attachments[router.name] if name in going_on}
        before = attached.intersection(case.cluster.today.sessions.get(router.name, ()))
        held = before if today else case.by_router.get(router.name, set())
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
        failing = case.values.get(kind, set()) - {own.get(kind)}
        inside = Counter(case.nodes[name].domains.get(kind) for name in held)
        most = max((inside[value] for value in failing & inside.keys()), default=0)
        if failing and (short := wanted - len(held) + most) > 0:
            value = min(value for value in failing if inside[value] == most)
            fact = f"{who} keeps {len(held) - most} {what} when {kind} {value} fails, it needs {wanted}"
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


def node_cost(node: Node, policy: Policy) -> int:
    """Costs of the policy, 1 where not preferred, 1 on the control plane, and 0 to 10 by how full the node is."""
    rules, full = policy.nodes, 0
    cost = sum(rule.cost for rule in rules.cost if kube.selects(rule.selector, node.labels))
    unloved = bool(rules.prefer) and not any(kube.selects(selector, node.labels) for selector in rules.prefer)
    if node.allocatable:
        used = ((node.requested.cpu, node.allocatable.cpu), (node.requested.memory, node.allocatable.memory))
        full = max((10 * part // whole for part, whole in used if whole), default=0)
    return cost + unloved + any(label in node.labels for label in CONTROL_PLANE) + min(10, full)


def goal_values(case: Case) -> dict[str, int]:
    """The value of every goal, counted from the placement."""
    placement, today = case.placement, case.cluster.today
    missing = {(gap.router, gap.rule): gap.missing for gap, _ in gaps(case)}
    before = {(gap.router, gap.rule): gap.missing for gap, _ in gaps(case, today=True)}
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
        "cost": sum(node_cost(case.nodes[name], case.policy) for name in placement.speakers),
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
        if true.get(name, value) != value:
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

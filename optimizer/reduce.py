"""From a cluster to the small exact problem that the solver sees, and the way back.

Nodes that cannot carry a speaker are dropped with the cause, equal nodes become one class with a count, and the
problem falls apart into connected components. Every step keeps the optimum (the docstrings say why).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice

from msgspec import Struct, structs

from . import graph, kube
from .model import Cluster, Node, NodeSelectorTerm, Policy, Resources, Router, Session, Speaker, Survive, Taint

DEFAULT_REQUESTS = Resources(cpu=100, memory=100 * 2**20)
"""What OpenELB's release manifest requests for a speaker (used where the input has no DaemonSet)."""

CONTROL_PLANE_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
NO_LIMIT = 1 << 30
Domains = tuple[tuple[str, str], ...]


class RouterNeed(Struct, frozen=True):
    """What a router asks for: `needed` sessions, at most `limit`, of which at most `spare` are new during the change.

    `domains` are its own (kind, value) pairs of protected kinds. `elsewhere` are the protected kinds that have a
    value which neither the router nor any of its candidates is in.
    """

    name: str
    needed: int
    limit: int | None = None
    spare: int | None = None
    domains: Domains = ()
    elsewhere: tuple[str, ...] = ()


class Traits(Struct, frozen=True, order=True):
    """All that the rules and goals see of a candidate node; `today` are the routers it holds a session with now,
    `capacity` is the most sessions that it can hold. `retained` nodes are none to choose, but run a speaker that a
    best-effort placement may leave there."""

    routers: tuple[str, ...]
    domains: Domains
    capacity: int
    cost: int
    runs: bool
    today: tuple[str, ...]
    pinned: bool
    retained: bool = False


class Candidate(Struct, frozen=True):
    """A node that may run a speaker, the routers that it may peer with, and the most sessions it has room for."""

    node: Node
    routers: tuple[str, ...]
    room: int
    retained: bool = False


class NodeClass(Struct, frozen=True):
    """The candidates with equal traits, sorted by name."""

    traits: Traits
    names: tuple[str, ...]


class Component(Struct, frozen=True):
    """A part of the problem that no rule links to the rest, but for the budget of moves."""

    routers: tuple[RouterNeed, ...]
    classes: tuple[NodeClass, ...]


class Problem(Struct, frozen=True):
    """The reduced problem. `causes` says for every node that is no candidate all that is against it, the first cause
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


def reduce(cluster: Cluster, policy: Policy, granted: Collection[str] = ()) -> Problem:
    """The reduced problem of a cluster whose topology is known.

    Nodes in `granted` are taken as candidates with room for all their sessions, whatever is against them: what if
    they were?
    """
    attached: dict[str, list[str]] = {node.name: [] for node in cluster.nodes}
    for router in cluster.routers:
        for name in cluster.attachments[router.name]:
            attached[name].append(router.name)
    against = eligibility(cluster, policy)
    running = set(cluster.today.speakers)
    causes: dict[str, tuple[str, ...]] = {}
    candidates: list[Candidate] = []
    for node in cluster.nodes:
        routers = tuple(attached[node.name])
        room = session_capacity(node, cluster.speaker, policy)
        found = (*against(node), *lack(node, cluster.speaker, policy, len(routers), room))
        if node.name in granted:
            candidates.append(Candidate(node, routers, len(routers)))
        elif not found:
            candidates.append(Candidate(node, routers, min(room, len(routers))))
        else:
            causes[node.name] = found
            if policy.best_effort and node.name in running:
                candidates += retained(node, routers, cluster, policy, against)
    survive, refusal, routers_ = policy.survive, None, cluster.routers
    if policy.mode != "bgp":
        eligible = [each for each in candidates if not each.retained]
        refusal = several_segments(policy, eligible)
        survive = layer2_survival(policy, eligible)
        # One made-up router that every candidate is attached to: its sessions are the speakers.
        routers_ = (Router(policy.mode),)
        candidates = [structs.replace(each, routers=(policy.mode,), room=1) for each in candidates]
    classes = classify(cluster, policy, survive, candidates)
    parts = split(classes, routers_, cluster, policy, survive)
    return Problem(policy, survive, parts, causes, refusal)


def retained(
    node: Node,
    attached: tuple[str, ...],
    cluster: Cluster,
    policy: Policy,
    against: Callable[[Node], list[str]],
) -> list[Candidate]:
    """The node as one whose running speaker may stay, as long as only a cordon or a lack of room is against it; under
    `selected` with no other sessions than it has. Empty where it may not."""
    if against(structs.replace(node, unschedulable=False)):
        return []
    if policy.mode != "bgp":
        return [Candidate(node, attached, 0, retained=True)]
    held = tuple(router for router in attached if node.name in cluster.today.sessions.get(router, ()))
    routers = attached if held and policy.peering == "all-attached" else held
    return [Candidate(node, routers, len(routers), retained=True)] if routers else []


def eligibility(cluster: Cluster, policy: Policy) -> Callable[[Node], list[str]]:
    """A function that lists all that is against a node, leaving its room aside; empty for an eligible one."""
    speaker = cluster.speaker
    node_selector, affinity = restrictions(speaker, policy.speaker.label[0]) if speaker else ({}, None)
    banned = set(policy.nodes.ban)
    key, value = policy.speaker.label
    ours = Taint(key, "NoSchedule", value)

    def against(node: Node) -> list[str]:
        found = []
        if node.deleting:
            found.append("being deleted")
        if node.ready is False:
            found.append("not Ready")
        if node.unschedulable:
            found.append("cordoned")
        if node.name in banned:
            found.append("banned")
        if any(kube.selects(selector, node.labels) for selector in policy.nodes.exclude):
            found.append("excluded by the policy")
        if speaker is None:
            return found
        for name, wanted in node_selector.items():
            if node.labels.get(name) != wanted:
                found.append(f"not selected by the DaemonSet ({name}={wanted})")
        if not kube.affinity_selects(affinity, node.name, node.labels):
            found.append("not selected by the DaemonSet (node affinity)")
        foreign = (taint for taint in node.taints if taint != ours)
        taint = kube.untolerated(foreign, speaker.tolerations, speaker.host_network)
        if taint:
            found.append(f"taint {taint.key}:{taint.effect} not tolerated")
        return found

    return against


def restrictions(speaker: Speaker, key: str) -> tuple[dict[str, str], tuple[NodeSelectorTerm, ...] | None]:
    """The DaemonSet's nodeSelector and required affinity without what we manage, the label `key`.

    A term that held nothing else matches every node, and so does then the whole affinity.
    """
    node_selector = {name: value for name, value in speaker.node_selector.items() if name != key}
    if speaker.affinity is None:
        return node_selector, None
    kept = []
    for term in speaker.affinity:
        foreign = tuple(entry for entry in term.match_expressions if entry.key != key)
        if not foreign and not term.match_fields and term.match_expressions:
            return node_selector, None
        kept.append(NodeSelectorTerm(foreign, term.match_fields))
    return node_selector, tuple(kept)


def speaker_requests(speaker: Speaker | None, policy: Policy) -> Resources:
    """What one speaker requests before its first session, itself counted as one pod."""
    requests = policy.speaker.requests or (speaker.requests if speaker else DEFAULT_REQUESTS)
    return Resources(requests.cpu, requests.memory, 1)


def session_capacity(node: Node, speaker: Speaker | None, policy: Policy) -> int:
    """The most sessions that a speaker on the node can hold; -1 where not even an idle speaker fits.

    Room is allocatable minus the requests of the pods there, the running speaker left out.
    """
    most = NO_LIMIT if policy.speaker.max_sessions is None else policy.speaker.max_sessions
    if node.allocatable is None:
        return most
    need, left = speaker_requests(speaker, policy), free(node.allocatable, node.requested)
    if need.cpu > left.cpu or need.memory > left.memory or need.pods > left.pods:
        return -1
    each = policy.speaker.per_session
    for room, cost in ((left.cpu - need.cpu, each.cpu), (left.memory - need.memory, each.memory)):
        if cost:
            most = min(most, room // cost)
    return most


def free(allocatable: Resources, requested: Resources) -> Resources:
    """What is left of each resource; nothing, where more is requested than there is."""
    left = allocatable - requested
    return Resources(max(0, left.cpu), max(0, left.memory), max(0, left.pods))


def lack(node: Node, speaker: Speaker | None, policy: Policy, degree: int, room: int) -> list[str]:
    """What a node with `degree` attachments and room for `room` sessions lacks; empty where it can hold a speaker."""
    if policy.mode == "bgp" and degree == 0:
        return ["attached to no router"]
    if room < 0 and node.allocatable is not None:
        need, left = speaker_requests(speaker, policy), free(node.allocatable, node.requested)
        if left.cpu < need.cpu:
            return [f"short of {need.cpu}m CPU"]
        if left.memory < need.memory:
            return [f"short of {-(-need.memory // 2**20)}Mi memory"]
        return ["full of pods"]
    if policy.mode != "bgp":
        return []
    least = degree if policy.peering == "all-attached" else 1
    return [f"room for {room} of {least} sessions"] if room < least else []


def node_cost(node: Node, policy: Policy) -> int:
    """What choosing the node costs: the policy's figures, 1 where others are preferred, 1 on the control plane, and
    the tenths of its CPU or memory that are taken."""
    cost = sum(entry.cost for entry in policy.nodes.cost if kube.selects(entry.selector, node.labels))
    if policy.nodes.prefer and not any(kube.selects(selector, node.labels) for selector in policy.nodes.prefer):
        cost += 1
    if any(label in node.labels for label in CONTROL_PLANE_LABELS):
        cost += 1
    if node.allocatable is not None:
        taken = ((node.requested.cpu, node.allocatable.cpu), (node.requested.memory, node.allocatable.memory))
        cost += max(min(10, 10 * used // all_) if all_ else 0 for used, all_ in taken)
    return cost


def several_segments(policy: Policy, candidates: Iterable[Candidate]) -> str | None:
    """Why layer 2 or VIP mode cannot work: the candidates sit under different routers, so in different segments.

    A node without a router tells nothing of where it sits.
    """
    under = Counter(each.routers for each in candidates if each.routers)
    if len(under) < 2:
        return None
    parts = [f"{', '.join(routers[:3])}: {number} nodes" for routers, number in sorted(under.items())]
    more = f" and {len(parts) - 3} more groups" if len(parts) > 3 else ""
    return (
        f"mode {policy.mode} needs all speakers in one layer-2 network, but the nodes sit under different leaf "
        f"routers ({'; '.join(parts[:3])}{more}); use mode bgp, or exclude the nodes of the other networks"
    )


def layer2_survival(policy: Policy, candidates: Iterable[Candidate]) -> tuple[Survive, ...]:
    """Speakers in different failure domains: one failure may take one speaker only.

    That is so for the kinds asked for, else for every known kind that has enough domains for it.
    """
    least = policy.speakers_per_router - 1
    kinds = {entry.kind: max(least, entry.survivors) for entry in policy.survive}
    if not policy.survive:
        values: dict[str, set[str]] = {}
        for each in candidates:
            for kind, value in each.node.domains.items():
                values.setdefault(kind, set()).add(value)
        kinds = {kind: least for kind in sorted(values) if len(values[kind]) > least}
    return tuple(Survive(kind, survivors) for kind, survivors in kinds.items() if survivors)


def classify(
    cluster: Cluster, policy: Policy, survive: Sequence[Survive], candidates: Iterable[Candidate]
) -> list[NodeClass]:
    """The candidates, grouped by traits.

    Exact: within a class any choice of x nodes serves every rule and goal alike, and sessions s[r] <= x whose sum is
    at most capacity * x can be dealt out in turn, so that no node gets two with one router or more than its capacity.
    """
    layer2 = policy.mode != "bgp"
    today = {name: set(nodes) for name, nodes in cluster.today.sessions.items()}
    running, pinned = set(cluster.today.speakers), set(policy.nodes.pin)
    groups: dict[Traits, list[str]] = {}
    for each in candidates:
        node, routers = each.node, each.routers
        runs = node.name in running
        held = routers if layer2 else tuple(router for router in routers if node.name in today.get(router, ()))
        traits = Traits(
            routers=routers,
            domains=tuple((rule.kind, node.domains[rule.kind]) for rule in survive if rule.kind in node.domains),
            capacity=each.room,
            cost=node_cost(node, policy),
            runs=runs,
            today=held if runs else (),
            pinned=node.name in pinned,
            retained=each.retained,
        )
        groups.setdefault(traits, []).append(node.name)
    return [NodeClass(traits, tuple(sorted(groups[traits]))) for traits in sorted(groups)]


def split(
    classes: Sequence[NodeClass],
    routers: Sequence[Router],
    cluster: Cluster,
    policy: Policy,
    survive: Sequence[Survive],
) -> tuple[Component, ...]:
    """The connected components. Exact: all goals are sums over components, and only the budget of moves links them."""
    by_name = {router.name: router for router in routers}
    values = {
        each.kind: {node.domains[each.kind] for node in cluster.nodes if each.kind in node.domains} for each in survive
    }
    found = []
    for numbers, names in graph.components([each.traits.routers for each in classes], by_name):
        members = tuple(classes[number] for number in numbers)
        near: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
        for each in members:
            for name in each.traits.routers:
                near[name].update(each.traits.domains)
        needs = tuple(router_need(by_name[name], cluster, policy, near[name], values) for name in names)
        found.append(Component(needs, members))
    return tuple(found)


def router_need(
    router: Router, cluster: Cluster, policy: Policy, near: set[tuple[str, str]], values: Mapping[str, set[str]]
) -> RouterNeed:
    """What one router asks for. While old and new sessions run together, only what today's leave free is spare."""
    limit, spare = router.max_sessions, None
    today = len(cluster.today.sessions.get(router.name, ()))
    if limit is not None and today and not policy.allow_break:
        spare = max(0, limit - today)
    own = tuple((kind, router.domains[kind]) for kind in values if kind in router.domains)
    elsewhere = tuple(
        kind
        for kind, known in values.items()
        if known - {value for near_kind, value in near if near_kind == kind} - {router.domains.get(kind, "")}
    )
    needed = max(policy.speakers_per_router, router.min_speakers or 0)
    return RouterNeed(router.name, needed, limit, spare, own, elsewhere)


def expand(component: Component, solution: Solution) -> tuple[list[str], list[Session]]:
    """The speakers and sessions that a solution of the component stands for; the first names of each class.

    The sessions of a class are dealt out in turn: two nodes with (2, 1, 1) sessions to routers a, b, c hold
    (a, b) and (a, c).
    """
    speakers: list[str] = []
    sessions: list[Session] = []
    for each, count, wanted in zip(component.classes, solution.speakers, solution.sessions, strict=True):
        chosen = list(islice(each.names, count))
        speakers += chosen
        turn = 0
        for router, number in zip(each.traits.routers, wanted, strict=True):
            for _ in range(number):
                sessions.append(Session(chosen[turn % count], router))
                turn += 1
    return speakers, sessions

"""From a cluster to the small exact problem that the solver sees, and the way back.

Nodes that cannot carry a speaker are dropped with the cause, equal nodes become one class with a count, and the
problem falls apart into connected components. Every step keeps the optimum (the docstrings say why).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice

from msgspec import Struct

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
    `capacity` is the most sessions that it can hold."""

    routers: tuple[str, ...]
    domains: Domains
    capacity: int
    cost: int
    runs: bool
    today: tuple[str, ...]
    pinned: bool


class NodeClass(Struct, frozen=True):
    """The candidates with equal traits, sorted by name."""

    traits: Traits
    names: tuple[str, ...]


class Component(Struct, frozen=True):
    """A part of the problem that no rule links to the rest, but for the budget of moves."""

    routers: tuple[RouterNeed, ...]
    classes: tuple[NodeClass, ...]


class Problem(Struct, frozen=True):
    """The reduced problem. `causes` says for every node that is no candidate why not; `survive` is what is protected.

    `refusal` is set where the mode does not fit the topology at all.
    """

    policy: Policy
    survive: tuple[Survive, ...]
    components: tuple[Component, ...]
    causes: Mapping[str, str]
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
    why_not = eligibility(cluster, policy)
    causes: dict[str, str] = {}
    candidates: list[tuple[Node, int]] = []
    for node in cluster.nodes:
        degree = len(attached[node.name])
        room = session_capacity(node, cluster.speaker, policy)
        cause = why_not(node) or lack(node, cluster.speaker, policy, degree, room)
        if node.name in granted:
            candidates.append((node, degree))
        elif cause:
            causes[node.name] = cause
        else:
            candidates.append((node, min(room, degree)))
    survive = policy.survive
    routers: Sequence[Router] = cluster.routers
    refusal = None
    if policy.mode != "bgp":
        nodes = [node for node, _ in candidates]
        refusal = several_segments(policy, nodes, attached)
        survive = layer2_survival(policy, nodes)
        # One made-up router that every candidate is attached to: its sessions are the speakers.
        routers = (Router(policy.mode),)
        attached = {node.name: [policy.mode] for node in nodes}
        candidates = [(node, 1) for node in nodes]
    classes = classify(cluster, policy, survive, candidates, attached)
    parts = split(classes, routers, cluster, policy, survive)
    return Problem(policy, survive, parts, causes, refusal)


def eligibility(cluster: Cluster, policy: Policy) -> Callable[[Node], str | None]:
    """A function that says why a node is not eligible, or None. The first cause counts."""
    speaker = cluster.speaker
    node_selector, affinity = restrictions(speaker, policy.speaker.label[0]) if speaker else ({}, None)
    banned = set(policy.nodes.ban)
    key, value = policy.speaker.label
    ours = Taint(key, "NoSchedule", value)

    def why_not(node: Node) -> str | None:
        if node.deleting:
            return "being deleted"
        if node.ready is False:
            return "not Ready"
        if node.unschedulable:
            return "cordoned"
        if node.name in banned:
            return "banned"
        if any(kube.selects(selector, node.labels) for selector in policy.nodes.exclude):
            return "excluded by the policy"
        if speaker is None:
            return None
        for key, value in node_selector.items():
            if node.labels.get(key) != value:
                return f"not selected by the DaemonSet ({key}={value})"
        if not kube.affinity_selects(affinity, node.name, node.labels):
            return "not selected by the DaemonSet (node affinity)"
        foreign = (taint for taint in node.taints if taint != ours)
        taint = kube.untolerated(foreign, speaker.tolerations, speaker.host_network)
        return f"taint {taint.key}:{taint.effect} not tolerated" if taint else None

    return why_not


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


def lack(node: Node, speaker: Speaker | None, policy: Policy, degree: int, room: int) -> str | None:
    """Why an otherwise eligible node with `degree` attachments and room for `room` sessions is no candidate."""
    if policy.mode == "bgp" and degree == 0:
        return "attached to no router"
    if room < 0 and node.allocatable is not None:
        need, left = speaker_requests(speaker, policy), free(node.allocatable, node.requested)
        if left.cpu < need.cpu:
            return f"short of {need.cpu}m CPU"
        if left.memory < need.memory:
            return f"short of {-(-need.memory // 2**20)}Mi memory"
        return "full of pods"
    if policy.mode != "bgp":
        return None
    least = degree if policy.peering == "all-attached" else 1
    return f"room for {room} of {least} sessions" if room < least else None


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


def several_segments(policy: Policy, nodes: Iterable[Node], attached: Mapping[str, Sequence[str]]) -> str | None:
    """Why layer 2 or VIP mode cannot work: the candidates sit under different routers, so in different segments."""
    under: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        under.setdefault(tuple(attached[node.name]), []).append(node.name)
    if len(under) < 2:
        return None
    parts = [f"{', '.join(routers[:3]) or 'no router'}: {len(names)} nodes" for routers, names in sorted(under.items())]
    more = f" and {len(parts) - 3} more groups" if len(parts) > 3 else ""
    return (
        f"mode {policy.mode} needs all speakers in one layer-2 network, but the nodes sit under different leaf "
        f"routers ({'; '.join(parts[:3])}{more}); use mode bgp, or exclude the nodes of the other networks"
    )


def layer2_survival(policy: Policy, nodes: Iterable[Node]) -> tuple[Survive, ...]:
    """Speakers in different failure domains: of the kinds asked for, else of every known kind, one failure may
    take one speaker only."""
    kinds = {entry.kind: entry.survivors for entry in policy.survive}
    if not kinds:
        kinds = dict.fromkeys(sorted({kind for node in nodes for kind in node.domains}), 0)
    least = policy.speakers_per_router - 1
    found = (Survive(kind, max(least, survivors)) for kind, survivors in kinds.items())
    return tuple(each for each in found if each.survivors)


def classify(
    cluster: Cluster,
    policy: Policy,
    survive: Sequence[Survive],
    candidates: Iterable[tuple[Node, int]],
    attached: Mapping[str, Sequence[str]],
) -> list[NodeClass]:
    """The candidates, grouped by traits.

    Exact: within a class any choice of x nodes serves every rule and goal alike, and sessions s[r] <= x whose sum is
    at most capacity * x can be dealt out in turn, so that no node gets two with one router or more than its capacity.
    """
    layer2 = policy.mode != "bgp"
    today = {name: set(nodes) for name, nodes in cluster.today.sessions.items()}
    running, pinned = set(cluster.today.speakers), set(policy.nodes.pin)
    groups: dict[Traits, list[str]] = {}
    for node, room in candidates:
        routers = tuple(attached[node.name])
        runs = node.name in running
        held = routers if layer2 else tuple(router for router in routers if node.name in today.get(router, ()))
        traits = Traits(
            routers=routers,
            domains=tuple((each.kind, node.domains[each.kind]) for each in survive if each.kind in node.domains),
            capacity=room,
            cost=node_cost(node, policy),
            runs=runs,
            today=held if runs else (),
            pinned=node.name in pinned,
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

"""Which nodes may run a speaker, why the others cannot, how many sessions fit, and what choosing one costs.

What depends on labels, taints and state is judged once for all nodes that are alike in what is looked at: in a large
cluster these are few kinds of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from ..kube.quantities import in_bytes
from ..kube.selectors import affinity_selects, selects
from ..kube.taints import untolerated
from ..kube.troubles import DELETING
from ..model import Cluster, LabelSelector, Node, NodeSelectorTerm, Policy, Resources, Speaker, Taint
from ..speakers import product_named

CONTROL_PLANE_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
NO_LIMIT = 1 << 30


class Verdict(Struct, frozen=True):
    """Why a node cannot run a speaker, its room left aside (empty, for an eligible one), and what its labels cost."""

    against: tuple[str, ...]
    cost: int


def judgement(cluster: Cluster, policy: Policy) -> Callable[[Node], Verdict]:
    """A function that judges a node, at once for all nodes that are alike.

    Exact, as a verdict depends on nothing but taints, state, being banned and the labels that some selector names,
    and on the name only where the DaemonSet's affinity speaks of it.
    """
    speaker, rules = cluster.speaker, policy.nodes
    node_selector, affinity = restrictions(speaker, policy.speaker.label[0]) if speaker else ({}, None)
    selectors = [*rules.exclude, *rules.prefer, *(entry.selector for entry in rules.cost), LabelSelector(node_selector)]
    parts = [part for term in affinity or () for part in term.match_expressions]
    parts += [part for selector in selectors for part in selector.match_expressions]
    keys = sorted(
        {
            *CONTROL_PLANE_LABELS,
            *(part.key for part in parts),
            *(key for each in selectors for key in each.match_labels),
        }
    )
    names = {value for term in affinity or () for part in term.match_fields for value in part.values}
    banned = set(rules.ban)
    known: dict[object, Verdict] = {}

    def judge(node: Node) -> Verdict:
        name = node.name if node.name in names else None
        state = node.taints, node.unschedulable, node.deleting, node.ready, node.troubles, node.name in banned
        alike = (name, state, *map(node.labels.get, keys))
        if alike not in known:
            against = obstacles(node, policy, speaker, node_selector, affinity)
            known[alike] = Verdict(against, label_cost(node, policy))
        return known[alike]

    return judge


def obstacles(
    node: Node,
    policy: Policy,
    speaker: Speaker | None,
    node_selector: Mapping[str, str],
    affinity: tuple[NodeSelectorTerm, ...] | None,
) -> tuple[str, ...]:
    """Why a node cannot run a speaker, its room left aside; selector and affinity are the DaemonSet's without ours."""
    found: list[str] = []
    if node.deleting:
        found.append(DELETING)
    if node.ready is False:
        found.append("not Ready")
    found += node.troubles
    if node.unschedulable:
        found.append("cordoned")
    if node.name in policy.nodes.ban:
        found.append("banned")
    if any(selects(selector, node.labels) for selector in policy.nodes.exclude):
        found.append("excluded by the policy")
    if speaker is None:
        return tuple(found)
    for name, wanted in node_selector.items():
        if node.labels.get(name) != wanted:
            found.append(f"not selected by the DaemonSet ({name}={wanted})")
    if not affinity_selects(affinity, node.name, node.labels):
        found.append("not selected by the DaemonSet (node affinity)")
    key, value = policy.speaker.label
    foreign = (taint for taint in node.taints if taint != Taint(key, "NoSchedule", value))
    taint = untolerated(foreign, speaker.tolerations, speaker.host_network)
    if taint:
        found.append(f"taint {taint.key}:{taint.effect} not tolerated")
    return tuple(found)


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


def speaker_requests(cluster: Cluster, policy: Policy) -> Resources:
    """What one speaker requests before its first session, itself counted as one pod."""
    asked = policy.speaker.requests or (cluster.speaker.requests if cluster.speaker else None)
    requests = asked or product_named(cluster.product).requests
    return Resources(requests.cpu, requests.memory, 1, requests.others)


def session_capacity(cluster: Cluster, policy: Policy) -> Callable[[Node], int]:
    """A function that gives the most sessions that a speaker on a node can hold; -1 where not even an idle one fits.

    Room is allocatable minus the requests of the pods there, the running speaker left out; taken host ports leave none.
    """
    most = NO_LIMIT if policy.speaker.max_sessions is None else policy.speaker.max_sessions
    need, each = speaker_requests(cluster, policy), policy.speaker.per_session

    others = sorted({*need.others, *each.others})

    def capacity(node: Node) -> int:
        if node.taken:
            return -1
        if node.allocatable is None:
            return most
        left = free(node.allocatable, node.requested)
        if need.cpu > left.cpu or need.memory > left.memory or need.pods > left.pods:
            return -1
        found = most
        if each.cpu:
            found = min(found, (left.cpu - need.cpu) // each.cpu)
        if each.memory:
            found = min(found, (left.memory - need.memory) // each.memory)
        for name in others:
            over = spare(node.allocatable, node.requested, name) - need.others.get(name, 0)
            if over < 0:
                return -1
            if step := each.others.get(name, 0):
                found = min(found, over // step)
        return found

    return capacity


def free(allocatable: Resources, requested: Resources) -> Resources:
    """What is left of CPU, memory and pods; nothing, where more is requested than there is."""
    return Resources(
        max(0, allocatable.cpu - requested.cpu),
        max(0, allocatable.memory - requested.memory),
        max(0, allocatable.pods - requested.pods),
    )


def spare(allocatable: Resources, requested: Resources, name: str) -> int:
    """What is left of another resource; nothing, where more is requested than there is."""
    return max(0, allocatable.others.get(name, 0) - requested.others.get(name, 0))


def lack(node: Node, cluster: Cluster, policy: Policy, degree: int, room: int) -> tuple[str, ...]:
    """What a node with `degree` attachments and room for `room` sessions lacks; empty where it can hold a speaker."""
    if policy.mode == "bgp" and degree == 0:
        return ("attached to no router",)
    if room < 0:
        return (shortage(node, speaker_requests(cluster, policy)),)
    if policy.mode != "bgp":
        return ()
    least = degree if policy.peering == "all-attached" else 1
    return (f"room for {room} of {least} sessions",) if room < least else ()


def shortage(node: Node, need: Resources) -> str:
    """What keeps even an idle speaker off a node."""
    if node.taken:
        return f"host port {', '.join(node.taken)} taken"
    allocatable = node.allocatable or Resources()
    left = free(allocatable, node.requested)
    if left.cpu < need.cpu:
        return f"short of {need.cpu}m CPU"
    if left.memory < need.memory:
        return f"short of {-(-need.memory // 2**20)}Mi memory"
    for name, amount in need.others.items():
        if spare(allocatable, node.requested, name) < amount:
            return f"short of {-(-amount // 2**20)}Mi {name}" if in_bytes(name) else f"short of {amount} {name}"
    return "full of pods"


def short_nodes(cluster: Cluster, policy: Policy, names: Collection[str]) -> list[str]:
    """Those of the nodes that have no room for even an idle speaker, or whose host ports are taken."""
    room_of = session_capacity(cluster, policy)
    return [node.name for node in cluster.nodes if node.name in names and room_of(node) < 0]


def label_cost(node: Node, policy: Policy) -> int:
    """What choosing the node costs by its labels: the policy's figures, 1 where others are preferred, and 1 on the
    control plane."""
    cost = sum(entry.cost for entry in policy.nodes.cost if selects(entry.selector, node.labels))
    if policy.nodes.prefer and not any(selects(selector, node.labels) for selector in policy.nodes.prefer):
        cost += 1
    return cost + any(label in node.labels for label in CONTROL_PLANE_LABELS)


def tenths(node: Node) -> int:
    """What choosing the node costs by how full it is: the tenths of its CPU or memory that are taken, at most 10."""
    if node.allocatable is None:
        return 0
    cpu, memory = node.allocatable.cpu, node.allocatable.memory
    by_cpu = 10 * node.requested.cpu // cpu if cpu else 0
    by_memory = 10 * node.requested.memory // memory if memory else 0
    return min(10, max(by_cpu, by_memory))

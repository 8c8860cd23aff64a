"""Which nodes of a tiny cluster a speaker may be on, and where it has room: the oracle's own words for it."""

from __future__ import annotations

from optimizer.kube.selectors import meets, selects
from optimizer.kube.taints import untolerated
from optimizer.model import Cluster, Node, NodeSelectorTerm, Policy, Resources, Taint


def fits(cluster: Cluster, policy: Policy, node: Node, sessions: int) -> bool:
    """Whether a speaker with that many sessions has room on the node. A speaker is one pod."""
    most, per_session = policy.speaker.max_sessions, policy.speaker.per_session
    if most is not None and sessions > most:
        return False
    if node.taken:
        return False
    if node.allocatable is None:
        return True
    requests = Resources(cpu=100, memory=100 * 1024 * 1024)
    if cluster.speaker is not None:
        requests = cluster.speaker.requests
    if policy.speaker.requests is not None:
        requests = policy.speaker.requests
    cpu = requests.cpu + per_session.cpu * sessions
    memory = requests.memory + per_session.memory * sessions
    # What a pod does not ask for does not matter to it, even where others have taken too much.
    return (
        (cpu == 0 or node.requested.cpu + cpu <= node.allocatable.cpu)
        and (memory == 0 or node.requested.memory + memory <= node.allocatable.memory)
        and node.requested.pods + 1 <= node.allocatable.pods
        and all(
            other_fits(node, name, requests.others.get(name, 0) + per_session.others.get(name, 0) * sessions)
            for name in {**requests.others, **per_session.others}
        )
    )


def other_fits(node: Node, name: str, amount: int) -> bool:
    """Whether there is so much of another resource on the node; a node that does not list it has none."""
    assert node.allocatable is not None
    there, used = node.allocatable.others.get(name, 0), node.requested.others.get(name, 0)
    return amount == 0 or used + amount <= there


def nothing_forbids(cluster: Cluster, policy: Policy, node: Node) -> bool:
    """Whether a speaker may be on the node, its room left aside."""
    return (
        node.ready is not False
        and not node.unschedulable
        and not node.deleting
        and not node.troubles
        and node.name not in cluster.today.refused
        and node.name not in policy.nodes.ban
        and not any(selects(selector, node.labels) for selector in policy.nodes.exclude)
        and daemonset_allows(cluster, policy, node)
    )


def daemonset_allows(cluster: Cluster, policy: Policy, node: Node) -> bool:
    """Whether the DaemonSet could put a pod on the node, once our own label and taint are as they have to be."""
    speaker, ours = cluster.speaker, policy.speaker.label[0]
    if speaker is None:
        return True
    for key, value in speaker.node_selector.items():
        if key != ours and node.labels.get(key) != value:
            return False
    our_taint = Taint(ours, "NoSchedule", policy.speaker.label[1])
    for taint in node.taints:
        if taint != our_taint and untolerated([taint], speaker.tolerations, speaker.host_network):
            return False
    return speaker.affinity is None or any(term_allows(term, node, ours) for term in speaker.affinity)


def term_allows(term: NodeSelectorTerm, node: Node, ours: str) -> bool:
    """Whether an affinity term selects the node, whatever it says of our own label; an empty term selects none."""
    if not term.match_expressions and not term.match_fields:
        return False
    for part in term.match_expressions:
        if part.key != ours and not meets(part, node.labels):
            return False
    return all(meets(part, {"metadata.name": node.name}) for part in term.match_fields)

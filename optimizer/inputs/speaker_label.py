"""The node label by which speakers are marked already: where the DaemonSet asks for one, where peer objects do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from ..findings import Finding
from ..model import Cluster, LabelSelector, Node, Peer, Policy, Requirement, Speaker
from ..words import plural
from .node_index import NodeIndex

KUBERNETES = ("kubernetes.io", "k8s.io")
"""The domains of labels that Kubernetes and its kubelets set, with those below them."""

FREE = "node-restriction.kubernetes.io"
"""The one of these domains that is kept for labels which no kubelet may set."""

FLAGS = frozenset(("", "true", "yes", "on", "1", "enabled"))
"""Values of labels that only mark a node, in lower case."""


ROLES = "node-role.kubernetes.io/"
KUBEADM = frozenset(("control-plane", "master", "worker", "node"))
"""The roles of nodes that installers set; any other is somebody's own."""


def is_own(key: str) -> bool:
    """Whether a label may be somebody's own mark, and none that Kubernetes itself sets.

    >>> is_own("lb.example.com/speaker"), is_own("kubernetes.io/os"), is_own("topology.kubernetes.io/zone")
    (True, False, False)
    """
    if key.startswith(ROLES):
        return key.removeprefix(ROLES) not in KUBEADM
    domain = key.rpartition("/")[0]
    known = any(domain == each or domain.endswith(f".{each}") for each in KUBERNETES)
    return not known or domain == FREE


def own_labels(speaker: Speaker, nodes: Sequence[Node]) -> dict[str, str]:
    """The labels of somebody's own without which the DaemonSet runs on no node, each with a value that meets it.

    Where any value does, that is the one that most nodes carry.
    """
    found = {key: value for key, value in speaker.node_selector.items() if is_own(key)}
    terms = [term for term in speaker.affinity or () if term.match_expressions or term.match_fields]
    for key in dict.fromkeys(part.key for term in terms for part in term.match_expressions if is_own(part.key)):
        parts = [[part for part in term.match_expressions if part.key == key] for term in terms]
        value = common_value([*chain.from_iterable(parts)], key, nodes) if all(parts) else None
        if key not in found and value is not None:
            found[key] = value
    return found


def common_value(parts: Sequence[Requirement], key: str, nodes: Sequence[Node]) -> str | None:
    """A value of a label that meets all of these requirements, each of which asks for the label; else None."""
    if any(part.operator not in ("In", "Exists") for part in parts):
        return None
    listed = [part.values for part in parts if part.operator == "In"]
    carried: dict[str, int] = {}
    for node in nodes:
        if (value := node.labels.get(key)) is not None:
            carried[value] = carried.get(value, 0) + 1
    fit = [value for value in (listed[0] if listed else carried) if all(value in values for values in listed)]
    if not listed and not fit:
        return "true"
    return min(fit, key=lambda value: (-carried.get(value, 0), value), default=None)


def peers_by_label(
    cluster: Cluster, policy: Policy, peers: Iterable[Peer], index: NodeIndex, kind: str
) -> list[Finding]:
    """The finding that peer objects, which alone say what is attached, select by the label that marks the speakers."""
    asked: dict[tuple[str, str | None], list[str]] = {}
    for peer in peers:
        for label in labels_of(peer.selector):
            asked.setdefault(label, []).append(peer.name)
    own = own_labels(cluster.speaker, cluster.nodes) if cluster.speaker else {}
    speakers = frozenset(cluster.today.speakers)
    found = []
    for (key, value), names in sorted(asked.items(), key=lambda each: (each[0][0], each[0][1] or "", each[1])):
        if key == policy.speaker.label[0]:
            role = "the label that marks speakers"
        elif marks_speakers(index.values(key), value, speakers, len(cluster.nodes)):
            role = "a label that the nodes with a speaker carry, and no others"
        elif key in own:
            role = "the label by which the DaemonSet selects its nodes"
        else:
            continue
        shown = key if value is None else f"{key}={value}"
        number, several = len(carriers(index.values(key), value)), len(names) > 1
        who = f"{plural(len(names), kind)}, such as {min(names)}, select" if several else f"{kind} {min(names)} selects"
        carry = "node that carries it counts" if number == 1 else "nodes that carry it count"
        told = (
            f"{who} nodes by {shown}, {role}: only the {number} {carry} as attached, so no other node can be "
            f"proposed; name the attached nodes in a topology file, or select by another label in the "
            f"{kind}{'s' if several else ''}, such as that of the rack"
        )
        found.append(Finding("peers-by-speaker-label", told, f"{kind} {min(names)}" if not several else ""))
    return found


def labels_of(selector: LabelSelector | None) -> set[tuple[str, str | None]]:
    """The labels of somebody's own that a selector asks for; None for whatever value."""
    if selector is None:
        return set()
    found: set[tuple[str, str | None]] = set(selector.match_labels.items())
    found.update((part.key, None) for part in selector.match_expressions if part.operator == "Exists")
    found.update(
        (part.key, value) for part in selector.match_expressions if part.operator == "In" for value in part.values
    )
    return {(key, value) for key, value in found if is_own(key)}


def carriers(carried: Mapping[str, Sequence[str]], value: str | None) -> set[str]:
    """The nodes that carry a value of a label, or any."""
    return set(chain.from_iterable(carried.values())) if value is None else set(carried.get(value, ()))


def marks_speakers(
    carried: Mapping[str, Sequence[str]], value: str | None, speakers: Collection[str], nodes: int
) -> bool:
    """Whether a value of a label, or any, is no more than a mark, and exactly the nodes with a speaker carry it."""
    names = carriers(carried, value)
    flags = FLAGS.issuperset(each.lower() for each in (carried if value is None else (value,)))
    return flags and 0 < len(names) < nodes and speakers == names

"""What makes a node unfit for a speaker whatever its pods tolerate: it is in trouble, about to go, or no machine.

Sources: the Node API (conditions, and the taints that the node lifecycle controller makes of them); the taints of the
cloud provider's and the autoscalers' controllers; virtual-kubelet, Liqo and EKS on their virtual nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ..model import Taint

CONDITIONS: Mapping[str, tuple[str, str]] = {
    "DiskPressure": ("node.kubernetes.io/disk-pressure", "under DiskPressure"),
    "MemoryPressure": ("node.kubernetes.io/memory-pressure", "under MemoryPressure"),
    "PIDPressure": ("node.kubernetes.io/pid-pressure", "under PIDPressure"),
    "NetworkUnavailable": ("node.kubernetes.io/network-unavailable", "without a network"),
}
"""Conditions, the taint that says the same, and the trouble in words, right of one node (`n1 (...)`) as of `3 ...`."""

NOT_READY = frozenset(("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"))
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

LEAVING: Mapping[str, str] = {
    "ToBeDeletedByClusterAutoscaler": "about to be removed",
    "karpenter.sh/disrupted": "about to be removed",
    "cloud.google.com/impending-node-termination": "about to be removed",
    "aws-node-termination-handler/spot-itn": "about to be removed",
    "aws-node-termination-handler/scheduled-maintenance": "about to be removed",
    "aws-node-termination-handler/asg-lifecycle-termination": "about to be removed",
    "node.cloudprovider.kubernetes.io/shutdown": "shut down",
    "node.kubernetes.io/out-of-service": "out of service",
}
"""Taints of nodes that go. DeletionCandidateOfClusterAutoscaler is none of them: such a node is thought about."""

DISRUPTING = ("karpenter.sh/disruption", "disrupting")
"""As karpenter.sh/disrupted in earlier releases; with other values it says less."""

VIRTUAL_TAINTS = frozenset(
    ("virtual-kubelet.io/provider", "virtual-node.liqo.io/not-allowed", "eks.amazonaws.com/compute-type=fargate")
)
"""Taints of nodes that are none, by key or by key and value: they run no pods of DaemonSets on their network."""
VIRTUAL_LABELS = (
    ("type", "virtual-kubelet"),
    ("eks.amazonaws.com/compute-type", "fargate"),
    ("liqo.io/type", "virtual-node"),
)
VIRTUAL = "virtual"

OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
WINDOWS = "windows"
ON_WINDOWS = "running Windows"
"""The trouble of a node for speakers that need Linux and the host's network, as all do whose products we know."""

DELETING = "being deleted"
"""How the search names a node whose deletion has begun."""

LASTING = (*sorted({f"{word} (" for word in LEAVING.values()}), VIRTUAL, ON_WINDOWS, DELETING)
"""How the troubles begin that nobody can lift."""


def troubles(
    conditions: Mapping[str, str], taints: tuple[Taint, ...], labels: Mapping[str, str], system: str = ""
) -> tuple[str, ...]:
    """A node's troubles, in a few words each; `conditions` are their states by type, `system` is what the kubelet says
    that it runs on.

    A taint stands in for a condition that is not given, as in a trimmed dump.

    >>> troubles({"DiskPressure": "True"}, (Taint("karpenter.sh/disrupted", "NoSchedule"),), {})
    ('under DiskPressure', 'about to be removed (karpenter.sh/disrupted)')
    """
    found = [words for name, (_, words) in CONDITIONS.items() if conditions.get(name) == "True"]
    if taints:
        known = tuple(name for name in CONDITIONS if name in conditions)
        found += told_by(taints, known)
    if VIRTUAL not in found and any(labels.get(key) == value for key, value in VIRTUAL_LABELS):
        found.append(VIRTUAL)
    if system.lower() == WINDOWS or any(labels.get(key) == WINDOWS for key in OS_LABELS):
        found.append(ON_WINDOWS)
    return tuple(found)


@lru_cache(maxsize=4096)
def told_by(taints: tuple[Taint, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """The troubles that taints tell of, those of the known conditions left out."""
    keys = {taint.key: taint.value for taint in taints}
    found = [words for name, (key, words) in CONDITIONS.items() if key in keys and name not in known]
    found += [f"{words} ({key})" for key, words in LEAVING.items() if key in keys]
    key, value = DISRUPTING
    if keys.get(key) == value:
        found.append(f"about to be removed ({key}={value})")
    if any(key in VIRTUAL_TAINTS or f"{key}={value}" in VIRTUAL_TAINTS for key, value in keys.items()):
        found.append(VIRTUAL)
    return tuple(found)

"""Taints and tolerations, as the DaemonSet controller and the scheduler judge them.

Source: the documentation of taints and of DaemonSets. Errors are `ValueError` with a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Taint, Toleration
from .names import check_labels

DAEMONSET_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""Taints that the DaemonSet controller lets every pod of a DaemonSet tolerate."""

HOST_NETWORK_TOLERATED = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration], host_network: bool) -> Taint | None:
    """The first taint that keeps a DaemonSet's pod off the node, or None. PreferNoSchedule never does."""
    given = tuple(tolerations)
    automatic = (*DAEMONSET_TOLERATED, *((HOST_NETWORK_TOLERATED,) if host_network else ()))
    for taint in taints:
        if taint.effect not in ("NoSchedule", "NoExecute") or (taint.key, taint.effect) in automatic:
            continue
        if not any(tolerates(toleration, taint) for toleration in given):
            return taint
    return None


def check_taint(taint: Taint) -> None:
    """Raise ValueError for a taint that no node can carry."""
    if taint.effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"effect {taint.effect!r} is not one of NoSchedule, PreferNoSchedule, NoExecute")
    check_labels({taint.key: taint.value})

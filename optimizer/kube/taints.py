"""Taints and tolerations, as the DaemonSet controller and the scheduler judge them.

Source: the documentation of taints and of DaemonSets, k8s.io/component-helpers `ToleratesTaint`. Errors are
`ValueError` with a sentence.
"""

from __future__ import annotations

import re
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

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
OPERATORS = ("Equal", "Exists", "Gt", "Lt")
CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
"""A decimal integer in the one form that is compared: no plus sign, no leading zero."""


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint; Gt and Lt say how the taint's value compares with the toleration's."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    if not toleration.key:
        return False
    if toleration.operator in ("Gt", "Lt"):
        value, bound = number(taint.value), number(toleration.value)
        if value is None or bound is None:
            return False
        return value > bound if toleration.operator == "Gt" else value < bound
    return toleration.operator in ("Equal", "") and toleration.value == taint.value


def number(text: str) -> int | None:
    """The 64-bit integer that a value is in canonical form, else None.

    >>> number("950"), number("-3"), number("007"), number("+5"), number("9" * 19)
    (950, -3, None, None, None)
    """
    value = int(text) if CANONICAL.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def check_toleration(toleration: Toleration) -> None:
    """Raise ValueError for a toleration that Kubernetes refuses."""
    key, operator, value, effect = toleration.key, toleration.operator, toleration.value, toleration.effect
    if operator not in OPERATORS:
        raise ValueError(f"operator {operator[:80]!r} is not one of {', '.join(OPERATORS)}")
    if operator in ("Gt", "Lt"):
        if not key:
            raise ValueError(f"operator {operator} needs a key")
        if number(value) is None:
            raise ValueError(f"operator {operator} compares integers, which {value[:80]!r} is not (such as 950, -3)")
    if effect and effect not in EFFECTS:
        raise ValueError(f"effect {effect[:80]!r} is not one of {', '.join(EFFECTS)}")


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
    if taint.effect not in EFFECTS:
        raise ValueError(f"effect {taint.effect!r} is not one of {', '.join(EFFECTS)}")
    check_labels({taint.key: taint.value})

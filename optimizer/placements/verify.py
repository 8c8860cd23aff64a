"""A given placement against a cluster, rule by rule."""

from __future__ import annotations

from ..checks.placement import check_placement
from ..errors import ViolationError
from ..model import Cluster, Placement, Policy


def verify(cluster: Cluster, policy: Policy, placement: Placement, claims: bool = True) -> tuple[str, ...]:
    """What is not as the placement claims, such as a goal's value, although every rule holds; empty without `claims`.

    Raises ViolationError where a rule is broken.
    """
    found = check_placement(cluster, policy, placement, claims=claims)
    broken = check_placement(cluster, policy, placement, claims=False) if found and claims else found
    if broken:
        raise ViolationError(broken)
    return found

"""What `import optimizer` offers of placements and plans: the jobs on a cluster from wherever it comes.

`cluster` is what `read_cluster` or `read_live` gave, or a complete `Cluster`. Policies may be written by hand, so each
is checked as a policy file is.
"""

from __future__ import annotations

from pathlib import Path

from ..files import path_of, write_file
from ..inputs.placement import checked_placement, placement_to_json
from ..inputs.policy import checked_policy
from ..inputs.read import LiveCluster, Source, seen_by, topology_of
from ..inputs.text import made_by_hand
from ..model import Cluster, Placement, Policy
from ..plan import plan as planning
from ..plan.plan import Plan
from ..plan.template import Style
from ..progress import Tell, silent
from . import optimize as placing
from . import verify as verifying
from .live import optimize_live, without_head_room


def optimize(cluster: Source, policy: Policy, progress: Tell = silent) -> Placement:
    """The placement with the fewest sessions that keeps every rule, verified; its `status` may be `infeasible`.

    Raises InputError, NoAnswerError where the time limit ends before there is any, and LiveError.
    """
    policy = checked_policy(policy)
    if isinstance(cluster, LiveCluster):
        return optimize_live(cluster.api, policy, cluster.topology, progress, cluster.product)[1]
    return placing.optimize(seen_by(policy, cluster), policy, progress)


def verify(cluster: Source, policy: Policy, placement: Placement, progress: Tell = silent) -> tuple[str, ...]:
    """Sentences about what is not as when the placement was made; none, as a rule, and none for a live cluster.

    Raises ViolationError where a rule is broken or there is no placement, InputError and LiveError.
    """
    return verified(cluster, policy, placement, progress)[1]


def make_plan(
    cluster: Source,
    policy: Policy,
    placement: Placement,
    style: Style = "node-selector",
    progress: Tell = silent,
) -> Plan:
    """The steps from the cluster to the placement, which is verified first. Raises what `verify` raises."""
    seen, _ = verified(cluster, policy, placement, progress)
    return planning.make_plan(seen, asked_of(cluster, policy), placement, style)


def write_placement(path: str | Path, cluster: Source, policy: Policy, placement: Placement) -> None:
    """Write the placement with its policy and topology, as `optimize -o` does. Raises InputError and OutputError."""
    made_by_hand(placement, Placement, "placement")
    data = placement_to_json(placement, asked_of(cluster, policy), topology_of(cluster))
    write_file(path_of(path, "the file to write"), data)


def verified(cluster: Source, policy: Policy, placement: Placement, progress: Tell) -> tuple[Cluster, tuple[str, ...]]:
    """The cluster as the policy sees it, and what is not as when the placement was made. Raises ViolationError."""
    placement = checked_placement(placement)
    policy = asked_of(cluster, policy)
    seen = seen_by(policy, cluster, placement, progress)
    # What it says of nodes that nobody looked at is no claim that could be checked.
    return seen, verifying.verify(seen, policy, placement, claims=not isinstance(cluster, LiveCluster))


def asked_of(cluster: Source, policy: Policy) -> Policy:
    """The policy, checked; of a live cluster nobody asks how full all its nodes are."""
    policy = checked_policy(policy)
    return without_head_room(policy) if isinstance(cluster, LiveCluster) else policy

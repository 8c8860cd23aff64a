"""Fewest BGP sessions that keep every router redundant: read, optimize, verify, export.

    import optimizer as bgp

    cluster = bgp.read_cluster("cluster.json", topology="topology.yaml")
    policy = bgp.Policy(speakers_per_router=2, survive=(bgp.Survive("rack"),))
    placement = bgp.optimize(cluster, policy)

What is named here is imported when it is first used, so that a command waits for nothing that it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# isort: off
if TYPE_CHECKING:
    from .errors import InputError, InternalError, LiveError, NoAnswerError, OptimizerError, OutputError
    from .errors import StoppedError, ViolationError
    from .exports.export import Export, export
    from .inputs.placement import read_placement
    from .inputs.policy import read_policy
    from .inputs.read import DumpedCluster, LiveCluster, read_cluster, read_live
    from .inputs.topology import Topology, read_topology
    from .kube.client import connect
    from .model import Cluster, LabelSelector, Node, NodeCost, NodeRules, Placement, Policy, Requirement, Resources
    from .model import Router, Session, SpeakerNeeds, Survive
    from .placements.api import make_plan, optimize, verify, write_placement
    from .rollout.api import apply, rollback
    from .rollout.waiting import Pace
# isort: on

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "Cluster", "DumpedCluster", "Export", "InputError", "InternalError", "LabelSelector", "LiveCluster", "LiveError",
    "NoAnswerError", "Node", "NodeCost", "NodeRules", "OptimizerError", "OutputError", "Pace", "Placement", "Policy",
    "Requirement", "Resources", "Router", "Session", "SpeakerNeeds", "StoppedError", "Survive", "Topology",
    "ViolationError", "apply", "connect", "export", "make_plan", "optimize", "read_cluster", "read_live",
    "read_placement", "read_policy", "read_topology", "rollback", "verify", "write_placement",
]

HOMES = {
    "errors":
        "InputError InternalError LiveError NoAnswerError OptimizerError OutputError StoppedError ViolationError",
    "exports.export": "Export export",
    "inputs.placement": "read_placement",
    "inputs.policy": "read_policy",
    "inputs.read": "DumpedCluster LiveCluster read_cluster read_live",
    "inputs.topology": "Topology read_topology",
    "kube.client": "connect",
    "model":
        "Cluster LabelSelector Node NodeCost NodeRules Placement Policy Requirement Resources Router Session "
        "SpeakerNeeds Survive",
    "placements.api": "make_plan optimize verify write_placement",
    "rollout.api": "apply rollback",
    "rollout.waiting": "Pace",
}
"""The names by their module."""
# fmt: on


if not TYPE_CHECKING:  # which would take every name for one of ours

    def __getattr__(name: str) -> object:
        for module, names in HOMES.items():
            if name in names.split():
                return getattr(import_module(f".{module}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

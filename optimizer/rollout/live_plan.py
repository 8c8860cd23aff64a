"""A placement against a live cluster as it is now: whether it still holds, and the stages that lead there."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ..checks.placement import check_placement
from ..errors import InputError, ViolationError
from ..inputs.live import read_live, requested_on
from ..inputs.pods import with_requested
from ..inputs.routers import with_topology
from ..inputs.topology import Topology
from ..kube.changes import Delete, Patch
from ..kube.client import Api
from ..kube.managers import advice
from ..kube.selectors import selector_text
from ..model import Cluster, Placement, Policy
from ..plan.check import check_end, check_steps
from ..plan.plan import Case, prepare
from ..plan.restarts import added_sessions, kept_by, levels_meanwhile, short_meanwhile
from ..plan.template import Style
from ..progress import Tell
from ..speakers import product_named
from .revisions import outdated
from .stages import MAX_PARALLEL, Stage, stages
from .watch import Target
from .waypoints import Hop, hops, over_limit


class Asked(Struct, frozen=True):
    """What is to be brought about, and how.

    `allow_break`: a router may be short of a session on the way. `allow_managed`: the DaemonSet may be changed where
    Helm or a GitOps tool manages it. `product` names the speakers' product, whatever the cluster's objects say.
    """

    placement: Placement
    policy: Policy
    topology: Topology
    style: Style
    max_parallel: int = MAX_PARALLEL
    allow_break: bool = False
    allow_managed: bool = False
    product: str = ""


class Move(Struct, frozen=True):
    """The stages from the cluster as it is to the placement; none where it is as wanted.

    Where limits need it they lead to a placement in between, that of the first of `hops`; the others follow when the
    cluster has been read again. `goal` and `today` are the sessions there and today's as (node, peer object); in
    `possible` are also those of today that nobody can tell for sure. `kept` says how many sessions each peer object's
    router is to keep on the way, `levels` how many it has while old and new are up.
    """

    case: Case
    target: Target
    daemonset: dict[str, Any]
    stages: tuple[Stage, ...]
    hops: tuple[Hop, ...]
    goal: frozenset[tuple[str, str]]
    today: frozenset[tuple[str, str]]
    possible: frozenset[tuple[str, str]]
    kept: dict[str, int]
    levels: dict[str, int]

    @property
    def managed(self) -> str:
        """What to do about the first of the objects to be patched that somebody else manages; empty where none is."""
        changes = (change for stage in self.stages for batch in stage.batches for change in batch)
        names = {(change.kind, change.name) for change in changes if isinstance(change, Patch | Delete)}
        peers = [peer.manifest for peer in self.cluster.peers if ("BgpPeer", peer.name) in names]
        daemonsets = [self.daemonset] if ("DaemonSet", self.target.name) in names else []
        return next(filter(None, map(advice, [*daemonsets, *peers])), "")

    @property
    def cluster(self) -> Cluster:
        """The cluster as it was read."""
        return self.case.cluster

    @property
    def lost(self) -> frozenset[str]:
        """The nodes that are not Ready."""
        return not_ready(self.cluster)

    @property
    def labels(self) -> dict[str, str | None]:
        """The value of the speaker label on every node."""
        key = self.case.policy.speaker.label[0]
        return {node.name: node.labels.get(key) for node in self.cluster.nodes}


def read_move(api: Api, asked: Asked, tell: Tell) -> Move:
    """Read the cluster and plan.

    Raises ViolationError where the placement no longer holds in it, InputError for what it lacks, LiveError.
    """
    policy, placement = asked.policy, asked.placement
    if asked.allow_break:
        policy = msgspec.structs.replace(policy, allow_break=True)
    live = read_live(api, policy.speaker.daemonset, tell, asked.product, placement.product)
    if live.daemonset is None:
        name = policy.speaker.daemonset or product_named(live.cluster.product).daemonset
        raise InputError(f"{api.server}: there is no DaemonSet {name}")
    known = {node.name for node in live.cluster.nodes}
    requested = requested_on(api, known.intersection(placement.speakers), live, tell)
    nodes = with_requested(live.cluster.nodes, requested)
    cluster = msgspec.structs.replace(live.cluster, nodes=nodes)
    cluster = with_topology(cluster, asked.topology, policy)
    tell("checking the placement against the cluster")
    if broken := check_placement(cluster, policy, placement, claims=False):
        raise ViolationError(broken)
    way = hops(cluster, policy, placement) if asked.allow_break else ()
    station = way[0].placement if way else placement
    case = prepare(cluster, policy, station, asked.style)
    check_steps(case)
    check_end(case)
    metadata = live.daemonset["metadata"]
    selector = selector_text(live.daemonset["spec"]["selector"])
    target = Target(metadata["namespace"], metadata["name"], metadata["uid"], selector)
    slugs = {step.slug for step in case.steps}
    # An earlier change may have been interrupted before or after its restarts.
    old = outdated(api, target) if "restart-speakers" in slugs and "daemonset" not in slugs else None
    return Move(
        case=case,
        target=target,
        daemonset=live.daemonset,
        stages=stages(cluster, policy, station, case.objects, case.steps, asked.max_parallel, asked.allow_break, old),
        hops=way,
        **sessions(case, allowed_breaks(cluster, policy, placement) if asked.allow_break else frozenset()),
    )


def not_ready(cluster: Cluster) -> frozenset[str]:
    """The nodes that are not Ready: nobody ends the pods there."""
    return frozenset(node.name for node in cluster.nodes if node.ready is False)


def allowed_breaks(cluster: Cluster, policy: Policy, placement: Placement) -> frozenset[str]:
    """The routers that may be one session short on the way, where breaks are allowed."""
    return frozenset((*over_limit(cluster, placement), *short_meanwhile(cluster, policy, placement)))


def sessions(case: Case, breaks: frozenset[str]) -> dict[str, Any]:
    """The sessions of the placement and of today by peer object, and what each of these is to keep on the way."""
    names = case.peer_names
    added = added_sessions(case.cluster, case.placement.sessions)
    kept, levels = kept_by(case.cluster, case.policy), levels_meanwhile(case.cluster, added)
    return {
        "goal": frozenset(case.wanted_sessions()),
        "today": frozenset(case.todays_sessions()),
        "possible": frozenset(case.possible_sessions()),
        "kept": {names[router]: number - (router in breaks) for router, number in kept.items() if router in names},
        "levels": {names[router]: number for router, number in levels.items() if router in names},
    }

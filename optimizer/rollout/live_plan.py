"""A placement against a live cluster as it is now: whether it still holds, and the steps that lead there."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from ..checks.placement import check_placement
from ..errors import InputError, ViolationError
from ..inputs.live import read_live, with_room
from ..inputs.routers import NO_FILES, Places, with_topology
from ..inputs.topology import Topology
from ..kube.changes import Delete, Patch, Restart
from ..kube.client import Api
from ..kube.managers import advice
from ..kube.selectors import selector_text
from ..model import Cluster, Placement, Policy
from ..plan.budget import make_budget
from ..plan.check import check_end, check_steps
from ..plan.plan import Plan, make_plan
from ..plan.steps import Step
from ..plan.template import Style, edits_template
from ..progress import Tell
from ..speakers import product_named
from .belief import PeerSession
from .revisions import outdated
from .stages import MAX_PARALLEL, stages
from .watch import Target, Watch
from .waypoints import Waypoint, over_limit, waypoints


class Request(Struct, frozen=True):
    """What is to be brought about, and how.

    `allow_break`: a router may be short of a session on the way. `allow_managed`: the DaemonSet may be changed where
    Helm or a GitOps tool manages it. `product` names the speakers' product, whatever the cluster's objects say.
    `places` is for sentences.
    """

    placement: Placement
    policy: Policy
    topology: Topology
    style: Style
    max_parallel: int = MAX_PARALLEL
    allow_break: bool = False
    allow_managed: bool = False
    product: str = ""
    places: Places = NO_FILES


class LivePlan(Struct, frozen=True):
    """A plan for a cluster as it is, with its steps in batches and under tests; none where it is as wanted.

    Where limits need it they lead to a placement in between, that of the first of `waypoints`; the others follow when
    the cluster has been read again. `goal` and `today` are the sessions there and today's as (node, peer object); in
    `possible` are also those of today that nobody can tell for sure. `kept` says how many sessions each peer object's
    router is to keep on the way, `levels` how many it has while old and new are up.
    """

    plan: Plan
    target: Target
    daemonset: dict[str, Any]
    steps: tuple[Step, ...]
    waypoints: tuple[Waypoint, ...]
    goal: frozenset[PeerSession]
    today: frozenset[PeerSession]
    possible: frozenset[PeerSession]
    kept: dict[str, int]
    levels: dict[str, int]

    @property
    def managed(self) -> str:
        """What to do about the first of the objects to be patched that somebody else manages; empty where none is."""
        changes = (change for step in self.steps for change in step.changes)
        names = {(change.kind, change.name) for change in changes if isinstance(change, Patch | Delete)}
        peers = [peer.manifest for peer in self.cluster.peers if (self.plan.product.kinds[0].name, peer.name) in names]
        daemonsets = [self.daemonset] if ("DaemonSet", self.target.name) in names else []
        return next(filter(None, map(advice, [*daemonsets, *peers])), "")

    @property
    def cluster(self) -> Cluster:
        """The cluster as it was read."""
        return self.plan.cluster

    @property
    def lost(self) -> frozenset[str]:
        """The nodes that are not Ready."""
        return not_ready(self.cluster)

    @property
    def labels(self) -> dict[str, str | None]:
        """The value of the speaker label on every node."""
        key = self.plan.policy.speaker.label[0]
        return {node.name: node.labels.get(key) for node in self.cluster.nodes}


def plan_live(api: Api, request: Request, tell: Tell) -> LivePlan:
    """Read the cluster and plan.

    Raises ViolationError where the placement no longer holds in it, InputError for what it lacks, LiveError.
    """
    policy, placement = request.policy, request.placement
    if request.allow_break:
        policy = structs.replace(policy, allow_break=True)
    cluster, daemonset = read_chosen(api, request, policy, tell)
    tell("checking the placement against the cluster")
    if broken := check_placement(cluster, policy, placement, claims=False):
        raise ViolationError(broken)
    way = waypoints(cluster, policy, placement) if request.allow_break else ()
    plan = make_plan(cluster, policy, way[0].placement if way else placement, request.style)
    check_steps(plan)
    check_end(plan)
    metadata = daemonset["metadata"]
    selector = selector_text(daemonset["spec"]["selector"])
    target = Target(metadata["namespace"], metadata["name"], metadata["uid"], selector)
    changes = [change for step in plan.steps for change in step.changes]
    old = None
    if any(isinstance(change, Restart) for change in changes) and not any(map(edits_template, changes)):
        # An earlier change may have been interrupted before or after its restarts.
        old = outdated(Watch(api, target, plan.product, with_sessions=False))
    breaks = allowed_breaks(cluster, policy, placement) if request.allow_break else frozenset[str]()
    names = plan.peer_names
    return LivePlan(
        plan=plan,
        target=target,
        daemonset=daemonset,
        steps=stages(plan, request.max_parallel, request.allow_break, old),
        waypoints=way,
        goal=frozenset(plan.wanted_sessions()),
        today=frozenset(plan.todays_sessions()),
        possible=frozenset(plan.possible_sessions()),
        kept={
            names[router]: number - 1 if router in breaks else number
            for router, number in plan.budget.kept.items()
            if router in names
        },
        levels={names[router]: plan.budget.meanwhile(router) for router in plan.budget.routers if router in names},
    )


def read_chosen(api: Api, request: Request, policy: Policy, tell: Tell) -> tuple[Cluster, dict[str, Any]]:
    """The cluster with the room on the nodes of the placement, and its DaemonSet. Raises InputError and LiveError."""
    placement = request.placement
    places = request.places
    live = read_live(api, policy.speaker.daemonset, tell, request.product, placement.product, places.placement)
    if live.daemonset is None:
        title = product_named(live.cluster.product).title
        raise InputError(f"{api.server}: there is no DaemonSet of {title}'s speakers (--daemonset names one by hand)")
    cluster = with_room(api, live.cluster, placement.speakers, live, tell)
    return with_topology(cluster, request.topology, policy, places), live.daemonset


def not_ready(cluster: Cluster) -> frozenset[str]:
    """The nodes that are not Ready: nobody ends the pods there."""
    return frozenset(node.name for node in cluster.nodes if node.ready is False)


def allowed_breaks(cluster: Cluster, policy: Policy, placement: Placement) -> frozenset[str]:
    """The routers that may be one session short on the way, where breaks are allowed."""
    budget = make_budget(cluster, policy, placement)
    return frozenset((*over_limit(budget), *budget.short))

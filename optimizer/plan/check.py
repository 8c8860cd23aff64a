"""A plan carried out in memory: its end is exactly the placement, and between its steps no session is lost or extra.

The sessions are read from the plain objects as the product reads them, with none of the planner's own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks.manifests import check_manifests, running_speakers
from ..errors import InternalError
from ..kube.changes import Objects, apply_changes
from .plan import Plan

Labels = Mapping[str, str]


def check_steps(plan: Plan) -> None:
    """Raise InternalError where a state has a session beyond today's and the placement's, or lacks one that is in both.

    More sessions are taken where the router's limit, or what it has today, allows them.
    """
    if plan.policy.mode != "bgp":
        return
    limits = {router.name: router.max_sessions for router in plan.cluster.routers}
    wished: dict[str, set[str]] = {}
    for session in plan.placement.sessions:
        wished.setdefault(session.router, set()).add(session.node)
    reader = Reader(plan)
    objects = plan.objects
    today = reader.sessions(objects)
    states = [(step.name, step.changes) for step in plan.steps]
    states += [(f"{step.name}, taken back,", step.undo) for step in reversed(plan.steps)]
    none = frozenset[str]()
    for name, changes in states:
        objects = apply_changes(objects, changes)
        found = reader.sessions(objects)
        for router in sorted({*found, *today, *wished}):
            old, new, now = (each.get(router, none) for each in (today, wished, found))
            if lost := sorted((old & new) - now):
                raise InternalError(f"the plan fails its own check: step {name} ends {lost[0]} - {router}")
            more, limit = sorted(now - old - new), limits.get(router)
            if more and (limit is None or len(now) > max(limit, len(old))):
                raise InternalError(f"the plan fails its own check: step {name} opens {more[0]} - {router}")


def check_end(plan: Plan) -> None:
    """Raise InternalError unless the steps, carried out in memory, give exactly the placement."""
    if violations := violations_of(plan, plan.after):
        raise InternalError(f"the plan fails its own check: {'; '.join(violations[:3])}")


def violations_of(plan: Plan, objects: Objects) -> tuple[str, ...]:
    """What these objects give beyond or short of the placement."""
    return check_manifests(
        plan.cluster,
        plan.policy,
        plan.placement,
        {name: found for (kind, _, name), found in objects.items() if kind == "Node"},
        next((found for (kind, _, _), found in objects.items() if kind == "DaemonSet"), None),
        peers_of(plan, objects),
    )


def peers_of(plan: Plan, objects: Objects) -> list[dict[str, Any]]:
    """The product's peer objects, sorted by name."""
    kind = plan.product.kinds[0].name
    return [objects[key] for key in sorted(key for key in objects if key[0] == kind)]


class Reader:
    """Reads the sessions of states that follow one another; they are read anew only where something has changed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.known = sorted({*plan.cluster.today.speakers, *plan.placement.speakers})
        self.state: tuple[dict[str, Labels], list[dict[str, Any]]] | None = None
        self.found: dict[str, set[str]] = {}

    def sessions(self, objects: Objects) -> dict[str, set[str]]:
        """The nodes that peer with each router, of today's speakers and the chosen ones."""
        nodes = {name: objects["Node", "", name] for name in self.known}
        daemonset = next((each for (kind, _, _), each in objects.items() if kind == "DaemonSet"), None)
        state = dict(running_speakers(nodes, daemonset)), peers_of(self.plan, objects)
        if state != self.state:
            self.state, self.found = state, {}
            for node, router in self.plan.product.peerings(self.plan.cluster, *state):
                self.found.setdefault(router, set()).add(node)
        return self.found

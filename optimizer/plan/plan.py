"""All that an export or a move works with: the input, the plan, and the objects as they are today."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct

from ..kube.changes import Objects, apply_changes
from ..model import Cluster, Placement, Policy
from ..speakers import product_named
from ..speakers.product import PeerEdits, Product
from .objects import objects_of
from .steps import Step, Wait, daemonset_of, labelled_for_now, make_plan
from .template import Style


class Case(Struct, frozen=True):
    """A plan in the given style and what it was made from."""

    cluster: Cluster
    policy: Policy
    placement: Placement
    style: Style
    peers: PeerEdits
    steps: tuple[Step, ...]
    objects: Objects
    daemonset: dict[str, Any]

    @property
    def product(self) -> Product:
        """Whose speakers they are."""
        return product_named(self.cluster.product)

    @property
    def final_wait(self) -> Wait:
        """What must hold in the end."""
        return "established" if self.policy.mode == "bgp" else "running"

    @property
    def after(self) -> Objects:
        """The objects after all steps."""
        return apply_changes(self.objects, (change for step in self.steps for change in step.changes))

    @property
    def peer_names(self) -> dict[str, str]:
        """The peer object that carries each router's sessions, in the mode bgp."""
        return dict(self.peers.names) if self.policy.mode == "bgp" else {}

    def wanted_sessions(self) -> list[tuple[str, str]]:
        """The placement's sessions as (node, peer object)."""
        names = self.peer_names
        return [(each.node, names[each.router]) for each in self.placement.sessions if each.router in names]

    def possible_sessions(self) -> list[tuple[str, str]]:
        """The sessions that today's selectors give, as (node, peer object)."""
        names = self.peer_names
        found = self.cluster.today.sessions.items()
        return [(node, names[router]) for router, nodes in found if router in names for node in nodes]

    def todays_sessions(self) -> list[tuple[str, str]]:
        """Those of them that are up for sure: where two BgpPeers fight over an address nobody can tell."""
        addresses = Counter(peer.address for peer in self.cluster.peers)
        routers = ((router, self.peer_names.get(router.name)) for router in self.cluster.routers)
        fought = {peer for router, peer in routers if addresses[router.address or ""] > 1}
        return [each for each in self.possible_sessions() if each[1] not in fought]


def prepare(cluster: Cluster, policy: Policy, placement: Placement, style: Style) -> Case:
    """The plan with what it needs. Raises InputError for what the input lacks."""
    labelled = labelled_for_now(cluster, policy, placement)
    peers = product_named(cluster.product).edit_peers(cluster, policy, placement, labelled)
    objects = objects_of(cluster)
    steps = make_plan(cluster, policy, placement, style, peers)
    return Case(cluster, policy, placement, style, peers, steps, objects, daemonset_of(cluster, objects))

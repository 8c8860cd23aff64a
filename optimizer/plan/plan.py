"""A plan: the steps from today to a placement, and all that they were made from."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct

from ..errors import InputError
from ..kube.changes import Key, Objects, apply_changes, find, key_of
from ..model import Cluster, Placement, Policy
from ..speakers import product_named
from ..speakers.product import PeerEdits, Product
from ..words import nearest
from .budget import Budget, make_budget
from .objects import objects_of
from .order import check_label, labelled_for_now, peer_steps, sealed, speaker_steps
from .steps import Needs, Step, needs_of
from .template import STYLES, Style


class Plan(Struct, frozen=True):
    """The steps to a placement in the given style; none where nothing is to change.

    `objects` are those of today, `daemonset` the speakers' among them; None where there is none and, as the product's
    agent runs on every node, none is needed.
    """

    cluster: Cluster
    policy: Policy
    placement: Placement
    style: Style
    peers: PeerEdits
    budget: Budget
    steps: tuple[Step, ...]
    objects: Objects
    daemonset: dict[str, Any] | None

    @property
    def product(self) -> Product:
        """Whose speakers they are."""
        return product_named(self.cluster.product)

    @property
    def daemonset_key(self) -> Key:
        """The key of the speaker DaemonSet. Raises InputError where there is none."""
        if self.daemonset is None:
            raise InputError("the input has no speaker DaemonSet, by whose pods the speakers are known")
        return key_of(self.daemonset)

    @property
    def needs(self) -> Needs:
        """What must be up in the end, and before anything closes."""
        return needs_of(self.policy)

    @property
    def after(self) -> Objects:
        """The objects after all steps."""
        return apply_changes(self.objects, (change for step in self.steps for change in step.changes))

    @property
    def peer_names(self) -> dict[str, str]:
        """The peer object that carries each router's sessions, in the mode bgp."""
        return dict(self.peers.names) if self.policy.mode == "bgp" else {}

    def wanted_sessions(self) -> list[tuple[str, str]]:
        """The placement's sessions as (node, peer object), but for those with routers that ask for none: nothing waits
        for these."""
        idle = {router.name for router in self.cluster.routers if router.min_speakers == 0}
        names = {router: name for router, name in self.peer_names.items() if router not in idle}
        return [(each.node, names[each.router]) for each in self.placement.sessions if each.router in names]

    def possible_sessions(self) -> list[tuple[str, str]]:
        """The sessions that today's selectors give, as (node, peer object)."""
        names = self.peer_names
        found = self.cluster.today.sessions.items()
        return [(node, names[router]) for router, nodes in found if router in names for node in nodes]

    def todays_sessions(self) -> list[tuple[str, str]]:
        """Those of them that the way back waits for: where two peer objects fight over an address nobody can tell.

        One that is reported down is among them, as a report may be older than the session.
        """
        addresses = Counter(peer.address for peer in self.cluster.peers if not self.product.keeps_apart)
        routers = ((router, self.peer_names.get(router.name)) for router in self.cluster.routers)
        fought = {peer for router, peer in routers if addresses[router.address or ""] > 1}
        return [each for each in self.possible_sessions() if each[1] not in fought]


def make_plan(cluster: Cluster, policy: Policy, placement: Placement, style: Style) -> Plan:
    """The steps from today to the placement in the given style; what replaces a session comes before it closes.

    Raises InputError for a style that there is not, where the input has no speaker DaemonSet though one is needed,
    where the placement names a node that it lacks, where a router lacks what its peer object needs, and where somebody
    else uses the label or the taint with another value.
    """
    if style not in STYLES:
        raise InputError(f"style: {style!r} is not known; {nearest(style, STYLES)}")
    product = product_named(cluster.product)
    labelled = labelled_for_now(cluster, policy, placement)
    peers = product.edit_peers(cluster, policy, placement, labelled)
    objects = objects_of(cluster)
    daemonset = daemonset_of(cluster, objects) if product.restrictable or cluster.speaker else None
    if lost := sorted(name for name in placement.speakers if ("Node", "", name) not in objects):
        raise InputError(f"node {lost[0]} of the placement is not in the input")
    budget = make_budget(cluster, policy, placement)
    first, last = peer_steps(peers, product, budget)
    opening, closing = [first], [last]
    if product.restrictable and daemonset is not None:
        check_label(cluster, policy)
        before, after = speaker_steps(cluster, policy, placement, style, budget, daemonset)
        # The speakers that leave stop before the peer objects are narrowed: they are no peers any more by then.
        opening, closing = [first, *before], [after[0], last, *after[1:]]
    steps = sealed((opening, closing), cluster, policy, placement, budget, objects)
    return Plan(cluster, policy, placement, style, peers, budget, steps, objects, daemonset)


def daemonset_of(cluster: Cluster, objects: Objects) -> dict[str, Any]:
    """The speaker DaemonSet. Raises InputError where the input has none."""
    if cluster.speaker is None:
        raise InputError(
            "the input has no speaker DaemonSet, so there is nothing to export patches for; "
            "add what `kubectl get daemonsets -A -o json` prints"
        )
    return find(objects, ("DaemonSet", cluster.speaker.namespace, cluster.speaker.name))

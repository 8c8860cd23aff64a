"""OpenELB: BgpPeers, hazards and paths.

Facts from its source (pkg/speaker/bgp, v0.6): a speaker evaluates a BgpPeer when it starts and when the spec of that
BgpPeer changes, never when a node label changes; its sessions are keyed by the neighbour's address; and on the deletion
of a BgpPeer every speaker drops the session with that address, whoever else asks for it. So sessions are steered by the
BgpPeers' selectors, and a second BgpPeer of an address is first parked: led to nobody's address.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from ...errors import InputError
from ...kube.changes import Change, Create, Delete, Patch
from ...kube.names import check_label_value
from ...kube.parse import checked
from ...kube.patches import set_field
from ...kube.selectors import matcher
from ...model import Cluster, LabelSelector, Node, Peer, Placement, Policy, Requirement, Router
from ..product import PeerEdits
from .kinds import BGP_PEER, PARKED_ADDRESS
from .read import PASSED_OVER

HOSTNAME = "kubernetes.io/hostname"
CREATED = {"app.kubernetes.io/managed-by": "bgp-speakers"}
"""Label of the BgpPeers that an export creates."""

NOTHING = LabelSelector(match_expressions=(Requirement(HOSTNAME, "Exists"), Requirement(HOSTNAME, "DoesNotExist")))


class Nodes:
    """The nodes `names`, by label, at a time when those of `labelled` carry the speaker label and no other does."""

    def __init__(
        self, nodes: Iterable[Node], label: tuple[str, str], labelled: frozenset[str], names: frozenset[str]
    ) -> None:
        key, value = label
        self.labels: dict[str, Mapping[str, str]] = {}
        self.by_label: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for node in nodes:
            if node.name not in names:
                continue
            labels = dict(node.labels)
            if node.name in labelled:
                labels[key] = value
            elif labels.get(key) == value:
                del labels[key]
            self.labels[node.name] = labels
            for each in labels.items():
                self.by_label[each].add(node.name)

    def select(self, selector: LabelSelector | None) -> frozenset[str]:
        """The nodes that match; looks at those alone that carry a label which the selector asks for."""
        candidates: Collection[str] = self.labels
        if selector is not None:
            asked = [self.by_label.get(label, set()) for label in selector.match_labels.items()]
            asked += [
                set[str]().union(*(self.by_label.get((part.key, value), ()) for value in part.values))
                for part in selector.match_expressions
                if part.operator == "In"
            ]
            if asked:
                candidates = min(asked, key=len)
        fits = matcher(selector)
        return frozenset(name for name in candidates if fits(self.labels[name]))

    def by_hostname(self, names: frozenset[str]) -> LabelSelector:
        """The selector that lists the nodes. Raises InputError where hostname labels cannot tell them apart, or are
        none that a selector could name."""
        values = set()
        for name in sorted(names):
            value = self.labels[name].get(HOSTNAME)
            if not value:
                raise InputError(f"node {name} has no label {HOSTNAME}, by which a BgpPeer could select it")
            checked(f"node {name}: label {HOSTNAME}", partial(check_label_value, value))
            values.add(value)
            if twins := sorted(self.by_label[HOSTNAME, value] - names):
                raise InputError(
                    f"nodes {name} and {twins[0]} share the label {HOSTNAME}={value}, "
                    "so a BgpPeer cannot select one without the other"
                )
        return (
            LabelSelector(match_expressions=(Requirement(HOSTNAME, "In", tuple(sorted(values))),))
            if values
            else NOTHING
        )


class Phases:
    """The speakers today, while old and new run, and in the end, with the labels that their nodes have by then."""

    def __init__(self, cluster: Cluster, policy: Policy, placement: Placement, for_now: frozenset[str]) -> None:
        label = key, value = policy.speaker.label
        chosen, running = frozenset(placement.speakers), frozenset(cluster.today.speakers)
        labelled = frozenset(node.name for node in cluster.nodes if node.labels.get(key) == value)
        self.today = Nodes(cluster.nodes, label, labelled, running)
        self.both = Nodes(cluster.nodes, label, for_now, chosen | running)
        self.end = Nodes(cluster.nodes, label, chosen, chosen)

    def keeps(self, selector: LabelSelector | None, today: frozenset[str], both: frozenset[str]) -> bool:
        """Whether a selector loses none of today's sessions and opens those of `both` alone, at any time."""
        return today <= self.today.select(selector) <= both and self.both.select(selector) == both


def edit_peers(cluster: Cluster, policy: Policy, placement: Placement, labelled: frozenset[str]) -> PeerEdits:
    """The BgpPeer edits that give exactly the placement's sessions, one BgpPeer for each router.

    A selector that gives them already is left alone. Raises InputError where a router has neither a BgpPeer nor
    what one needs, or one that cannot be read, and where no selector can tell the nodes apart.
    """
    if policy.mode != "bgp":
        return PeerEdits()
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for session in placement.sessions:
        wanted[session.router].add(session.node)
    chosen = frozenset(placement.speakers)
    known = {router.name for router in cluster.routers}
    if lost := sorted(wanted.keys() - known):
        raise InputError(f"router {lost[0]} of the placement is not in the input")
    if lost := sorted(set[str]().union(*wanted.values()) - chosen):
        raise InputError(f"the placement has a session of node {lost[0]}, which is none of its speakers")
    phases = Phases(cluster, policy, placement, labelled)
    unread: Mapping[str, str] = cluster.settings.get(PASSED_OVER, {})
    taken = {peer.name for peer in cluster.peers}.union(unread)
    created: list[Change] = []
    early: list[Change] = []
    late: list[Change] = []
    names = {}
    for router in cluster.routers:
        group = peers_of(router, cluster.peers)
        goal = frozenset(wanted[router.name])
        if group:
            names[router.name] = group[0].name
            first, then = rewrite(cluster, router, group, goal, phases)
            early += first
            late += then
        elif goal:
            check_unread(router, unread)
            names[router.name] = peer_name(router.name, taken)
            taken.add(names[router.name])
            created.append(Create(new_peer(router, names[router.name], goal, phases)))
    # What an interrupted change has parked is still to be deleted.
    late += [Delete("BgpPeer", "", peer.name) for peer in cluster.peers if peer.parked]
    return PeerEdits((*created, *early), tuple(late), names)


def check_unread(router: Router, unread: Mapping[str, str]) -> None:
    """Raise InputError where a BgpPeer that cannot be read, of which there are names and addresses, is the router's."""
    for name, address in sorted(unread.items()):
        if address and address == router.address:
            raise InputError(f"router {router.name}: BgpPeer {name} has its address, but cannot be read: mend it first")


def peers_of(router: Router, peers: Iterable[Peer]) -> list[Peer]:
    """The BgpPeers of a router, the one to keep first; those that are administratively down are left alone."""
    mine = (peer for peer in peers if peer.name == router.peer or peer.address == router.address)
    found = [peer for peer in mine if not (peer.off or peer.parked)]
    return sorted(found, key=lambda peer: (peer.name != router.peer, peer.name))


def rewrite(
    cluster: Cluster, router: Router, group: list[Peer], goal: frozenset[str], phases: Phases
) -> tuple[list[Change], list[Change]]:
    """What opens and what closes; in between, the sessions are today's and the goal's together.

    One edit where that is enough. Besides the BgpPeer to keep, the group is parked and then deleted.
    """
    keep, superfluous = group[0], group[1:]
    raw = (keep.manifest.get("spec") or {}).get("nodeSelector")
    today = frozenset(cluster.today.sessions.get(router.name, ()))
    between = goal | today
    final = keep.selector
    if phases.end.select(keep.selector) != goal:
        fits = router.selector is not None and phases.end.select(router.selector) == goal
        final = router.selector if fits else phases.end.by_hostname(goal)
    elif not superfluous and phases.keeps(keep.selector, today, between):
        return [], []
    if superfluous or not phases.keeps(now := keep.selector, today, between):
        now = final if phases.keeps(final, today, between) else phases.both.by_hostname(between)
    if superfluous and to_raw(now) == to_raw(keep.selector):
        # Speakers evaluate only a spec that has changed, so the same is said in other words.
        listed = phases.both.by_hostname(between).match_expressions
        now = LabelSelector(match_expressions=(*listed, Requirement(HOSTNAME, "Exists")))
    opened = raw if now == keep.selector else to_raw(now)
    early = [*map(park, superfluous), *patch(keep.name, select(raw, opened))]
    late = patch(keep.name, select(opened, to_raw(final))) if final != now else []
    return early, [*late, *(Delete("BgpPeer", "", peer.name) for peer in superfluous)]


def patch(name: str, operations: list[dict[str, Any]]) -> list[Change]:
    """The JSON patch of a BgpPeer, if there is anything in it."""
    return [Patch("BgpPeer", "", name, "json", operations)] if operations else []


def select(old: Any, new: Any) -> list[dict[str, Any]]:
    """Replace a BgpPeer's selector as a whole: a merge would leave old keys in it."""
    return set_field("/spec/nodeSelector", old, new)


def park(peer: Peer) -> Change:
    """Lead a superfluous BgpPeer to an address of nobody, so that its deletion closes no session."""
    address, selector = peer.manifest["spec"]["conf"]["neighborAddress"], peer.manifest["spec"].get("nodeSelector")
    moved = set_field("/spec/conf/neighborAddress", address, PARKED_ADDRESS)
    return Patch("BgpPeer", "", peer.name, "json", [*moved, *select(selector, to_raw(NOTHING))])


def to_raw(selector: LabelSelector | None) -> dict[str, Any]:
    """The selector as it stands in an object; absent and empty are both {}.

    >>> to_raw(LabelSelector({"rack": "r1"}))
    {'matchLabels': {'rack': 'r1'}}
    """
    raw: dict[str, Any] = {}
    if selector is not None and selector.match_labels:
        raw["matchLabels"] = dict(sorted(selector.match_labels.items()))
    if selector is not None and selector.match_expressions:
        raw["matchExpressions"] = [
            {"key": part.key, "operator": part.operator, **({"values": list(part.values)} if part.values else {})}
            for part in selector.match_expressions
        ]
    return raw


def new_peer(router: Router, name: str, goal: frozenset[str], phases: Phases) -> dict[str, Any]:
    """A BgpPeer for a router that has none. Raises InputError naming what the router lacks.

    It has no `afiSafis`: OpenELB then turns Add-Path on for the family of the address.
    """
    for field, given in (("address", router.address), ("asn", router.asn)):
        if given is None:
            raise InputError(
                f"router {router.name} has no BgpPeer, and none can be created: its {field} is not given; "
                "add it to the topology file's routers"
            )
    selector = router.selector
    if selector is None or not phases.keeps(selector, frozenset(), goal):
        # Absent where every speaker is to peer: then no later change of the speakers needs an edit.
        selector = None if phases.keeps(None, frozenset(), goal) else phases.both.by_hostname(goal)
    spec: dict[str, Any] = {"conf": {"neighborAddress": router.address, "peerAs": router.asn}}
    if to_raw(selector):
        spec["nodeSelector"] = to_raw(selector)
    return {
        "apiVersion": BGP_PEER.api_version,
        "kind": "BgpPeer",
        "metadata": {"name": name, "labels": dict(CREATED)},
        "spec": spec,
    }


def peer_name(router: str, taken: set[str]) -> str:
    """A name for a router's BgpPeer that Kubernetes accepts and that no other has.

    >>> peer_name("Leaf_7 (rack b)", {"leaf-7-rack-b"})
    'leaf-7-rack-b-2'
    """
    name = re.sub(r"[^a-z0-9]+", "-", router.lower()).strip("-")[:240].rstrip("-") or "router"
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def removable(manifest: Mapping[str, Any]) -> bool:
    """Whether a BgpPeer is one that an export has created, or parked."""
    created = (manifest["metadata"].get("labels") or {}).items() >= CREATED.items()
    conf = (manifest.get("spec") or {}).get("conf") or {}
    return created or conf.get("neighborAddress") == PARKED_ADDRESS

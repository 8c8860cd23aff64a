"""The traps of OpenELB that an input holds, and what edits of its objects disturb: one sentence for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ...findings import Finding
from ...kube.changes import Change, Delete, Patch
from ...model import Cluster, Placement, Policy
from ...words import are, plural
from . import racks
from .kinds import PARKED_ADDRESS

OPENING = "every speaker re-evaluates these BgpPeers: sessions open, none closes"
CLOSING = "every speaker re-evaluates these BgpPeers: the sessions that no longer match close"

HELM = {
    "affinity": "the chart of v0.6.0 shows speaker.affinity in values.yaml as a comment, but its template does not "
    "render it: check with helm template, or prefer the style node-selector"
}
"""By style, what is known to go wrong with the chart."""


def hazards(cluster: Cluster, policy: Policy, placement: Placement) -> tuple[Finding, ...]:
    """One finding for each trap that the input itself holds."""
    found: list[Finding] = []
    if policy.mode == "bgp":
        by_address: defaultdict[str, list[str]] = defaultdict(list)
        for peer in (each for each in cluster.peers if not (each.off or each.parked)):
            by_address[peer.address].append(peer.name)
        found += [
            Finding(
                "peer-duplicate",
                f"BgpPeers {' and '.join(sorted(names))} have one address, {address}: on nodes where only one of them "
                "matches, the other one deletes its session; an export keeps one of them",
                f"BgpPeer {min(names)}",
            )
            for address, names in sorted(by_address.items())
            if len(names) > 1
        ]
    found += racks.findings(cluster)
    asking = sum(not peer.off for peer in cluster.peers)
    if policy.mode != "bgp" and asking and set(cluster.today.speakers) - set(placement.speakers):
        told = (
            f"the cluster has {plural(asking, 'BgpPeer')}: to stop speakers for the mode {policy.mode} also closes "
            "their BGP sessions"
        )
        found.append(Finding("bgp-sessions-close", told))
    return tuple(found)


def edit_hazards(changes: Iterable[Change]) -> tuple[Finding, ...]:
    """One finding for each disturbance that changes of BgpPeers bring about."""
    changes, found = list(changes), list[Finding]()
    edited = {change.name for change in changes if isinstance(change, Patch) and change.kind == "BgpPeer"}
    if edited:
        told = (
            f"{plural(len(edited), 'BgpPeer')} {are(len(edited))} edited: every speaker re-evaluates them at once, "
            "and sessions open or close where the match changed"
        )
        found.append(Finding("peer-edited", told))
    deleted = sorted(change.name for change in changes if isinstance(change, Delete))
    if deleted:
        told = (
            f"{'BgpPeer' if len(deleted) == 1 else 'BgpPeers'} {', '.join(deleted)} {are(len(deleted))} deleted, since "
            f"{'it' if len(deleted) == 1 else 'each'} has the address of another one, and parked at {PARKED_ADDRESS} "
            "first, because a deletion closes every session of its address"
        )
        found.append(Finding("peer-deleted", told))
    return tuple(found)

"""Racks: which speakers announce a node where next hops are those of a rack, and labels that do not fit.

With `asPerRack`, a speaker on a node with the rack label announces the nodes with the same label alone, whether that
rack is listed or not; the list only gives it the rack's AS number, without which it uses the BgpConf's own. A speaker
on a node without the label, or with an empty one, announces every node. (OpenELB 0.6, Reconcile in
pkg/speaker/bgp/bgpconf_controller.go and SetBalancer in pkg/speaker/bgp/bgp/path.go.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...findings import Finding
from ...kube.names import check_label_value
from ...kube.parse import checked
from ...model import Cluster
from ...words import are, listed, plural
from .kinds import RACK_LABEL
from .read import RACKS

SHOWN = 5
"""Racks that a finding lists."""


def announced_with(cluster: Cluster) -> dict[str, str]:
    """For every node its rack, "" where it has none; empty without `asPerRack`.

    The nodes of a rack count as announced by the speakers of that rack, as those of nodes in no rack, which announce
    them too, are there by mistake. Those themselves are announced by nobody else. Raises InputError.
    """
    if not cluster.settings.get(RACKS):
        return {}
    found = {node.name: node.labels.get(RACK_LABEL, "") for node in cluster.nodes}
    first = {rack: name for name, rack in found.items()}
    for rack, name in sorted(first.items()):
        checked(f"node {name}: label {RACK_LABEL}", partial(check_label_value, rack))
    return found


def findings(cluster: Cluster) -> Iterator[Finding]:
    """One finding for each way in which rack labels and `asPerRack` do not fit each other."""
    listed_racks = cluster.settings.get(RACKS)
    number = len(cluster.nodes)
    bare = [node.name for node in cluster.nodes if not node.labels.get(RACK_LABEL)]
    if not listed_racks:
        if len(bare) < number:
            told = (
                f"{number - len(bare)} nodes carry the label {RACK_LABEL}, which has no effect on routes "
                "as long as the BgpConf default sets no asPerRack"
            )
            yield Finding("rack-label-unused", told)
        return
    if bare:
        told = (
            f"the BgpConf default sets asPerRack, but {len(bare)} of {number} nodes lack the label "
            f"{RACK_LABEL} (such as {', '.join(bare[:3])}): no speaker of a rack announces them as next hops; only "
            "those on such nodes do, which announce every node"
        )
        yield Finding("rack-label-missing", told)
    unlisted = sorted({rack for rack in announced_with(cluster).values() if rack and not listed_racks.get(rack)})
    if unlisted:
        many = len(unlisted)
        told = (
            f"{plural(many, 'rack')} {are(many)} not listed with an AS number in asPerRack of the BgpConf default: "
            f"{listed(unlisted, SHOWN)}; speakers there announce their rack all the same, under the BgpConf's own AS"
        )
        yield Finding("rack-not-listed", told)

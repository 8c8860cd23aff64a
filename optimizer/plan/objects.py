"""The input's objects that a plan changes, as plain data."""

from __future__ import annotations

from ..kube.changes import Objects, clean, key_of
from ..kube.parse import raw_taint
from ..model import Cluster


def objects_of(cluster: Cluster) -> Objects:
    """The nodes (labels and taints), the speaker DaemonSet and the peer objects of the input as plain objects."""
    objects: Objects = {}
    for node in cluster.nodes:
        objects["Node", "", node.name] = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": dict(node.labels)},
            "spec": {"taints": [raw_taint(taint) for taint in node.taints]},
        }
    if cluster.speaker is not None:
        objects["DaemonSet", cluster.speaker.namespace, cluster.speaker.name] = clean(cluster.speaker.manifest)
    for peer in cluster.peers:
        objects[key_of(peer.manifest)] = clean(peer.manifest)
    return objects

"""Objects as an API server takes them: nodes in racks, OpenELB's DaemonSet, BgpPeers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests import objects
from tests.objects import SPEAKER, SYSTEM, Object, peer

__all__ = [
    "NODES",
    "PODS",
    "RACK",
    "SPEAKER",
    "SYSTEM",
    "ZONE",
    "daemonset",
    "node",
    "nodes",
    "now",
    "peer",
    "rack_peer",
]

RACK, ZONE, OS = "example.com/rack", "topology.kubernetes.io/zone", "kubernetes.io/os"
NODES, PODS = "/api/v1/nodes", f"/api/v1/namespaces/{SYSTEM}/pods"
ROOM = {"cpu": "4", "memory": "8Gi", "pods": "110"}


def node(
    name: str,
    rack: str,
    zone: str = "z1",
    address: str = "10.1.1.1",
    labels: Mapping[str, str] | None = None,
    *,
    ready: str = "True",
    **spec: Any,
) -> Object:
    """A Node that is Ready from the start; `spec` holds taints, unschedulable."""
    known = {"kubernetes.io/hostname": name, OS: "linux", RACK: rack, ZONE: zone}
    made = objects.node(name, {**known, **(labels or {})}, ready=ready, addresses=[address], allocatable=ROOM, **spec)
    made["status"]["capacity"] = ROOM
    return made


def nodes(racks: int, size: int, zones: int = 2, labels: Mapping[str, str] | None = None) -> list[Object]:
    """Nodes r1-n1, r1-n2 ... of racks r1, r2 ..., these in turn in zones z1, z2 ..."""
    return [
        node(f"r{r}-n{n}", f"r{r}", f"z{1 + (r - 1) % zones}", f"10.{r // 256}.{r % 256}.{n}", labels)
        for r in range(1, racks + 1)
        for n in range(1, size + 1)
    ]


def daemonset(selector: Mapping[str, str] | None = None, **pod_spec: Any) -> Object:
    """OpenELB's speakers on the Linux nodes with these labels besides; `pod_spec` goes over the pod template's spec."""
    requests = {"requests": {"cpu": "100m", "memory": "100Mi"}}
    made = objects.daemonset(
        **{
            "nodeSelector": {OS: "linux", **(selector or {})},
            "containers": [{"name": SPEAKER, "image": "openelb-speaker", "resources": requests}],
            **pod_spec,
        }
    )
    made["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    return made


def now() -> str:
    """The time as the API has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rack_peer(rack: str, address: str) -> Object:
    """The BgpPeer of a rack's router, for the nodes of the rack."""
    return peer(f"leaf-{rack}", address, {"matchLabels": {RACK: rack}})

"""A GPU cluster of production size as plain Kubernetes objects: 1,213 nodes whose dump is trimmed.

Labels, capacity and allocatable only, no conditions, no taints, as in a published trace of such a cluster; racks,
zones, pods and routers are added. Three ways to hang it on routers.
"""

from __future__ import annotations

from typing import Any

Plain = dict[str, Any]
SIZE, RACK = 1213, 40
SHAPES = (("P100", 2, 64, 256), ("V100M32", 8, 96, 736), ("T4", 2, 96, 512), ("A10", 1, 128, 786), ("", 0, 104, 786))


def nodes() -> list[Plain]:
    """The nodes; rack, zone and hostname as labels."""
    found = []
    for i in range(SIZE):
        model, gpus, cores, gibibytes = SHAPES[i * 7919 % len(SHAPES)]
        amounts = {"cpu": f"{cores}000m", "memory": f"{gibibytes * 1024}Mi", "pods": "1001"}
        if gpus:
            amounts["alibabacloud.com/gpu-count"] = str(gpus)
        labels = {
            "kubernetes.io/hostname": f"gpu-node-{i:04d}",
            "kubernetes.io/os": "linux",
            "example.com/rack": f"r{i // RACK:02d}",
            "topology.kubernetes.io/zone": f"z{i // RACK % 3}",
        }
        if model:
            labels["alibabacloud.com/gpu-card-model"] = model
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": f"gpu-node-{i:04d}", "labels": labels},
                "status": {
                    "allocatable": amounts,
                    "capacity": amounts,
                    "addresses": [{"type": "InternalIP", "address": f"10.{i // RACK}.0.{10 + i % RACK}"}],
                },
            }
        )
    return found


def pod(name: str, node: str, cpu: str, owner: str = "") -> Plain:
    """A running pod; one of the speaker DaemonSet where `owner` names it."""
    metadata: Plain = {"name": name, "namespace": "openelb-system" if owner else "train"}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner}]
    container = {"name": "main", "resources": {"requests": {"cpu": cpu, "memory": "100Mi"}}}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def pods() -> list[Plain]:
    """A speaker on every node, and jobs that fill every ninth node to the last core."""
    found = []
    for i, node in enumerate(nodes()):
        name, cores = node["metadata"]["name"], int(node["status"]["allocatable"]["cpu"].removesuffix("000m"))
        taken = cores if i % 9 == 0 else i * 31 % (cores - 1)
        found += [pod(f"speaker-{i}", name, "100m", "openelb-speaker"), pod(f"job-{i}", name, str(taken))]
    return found


def daemonset() -> Plain:
    """OpenELB's speaker as its release manifest deploys it."""
    labels = {"app": "openelb", "component": "speaker"}
    requests = {"requests": {"cpu": "100m", "memory": "100Mi"}}
    spec = {
        "hostNetwork": True,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [{"name": "openelb-speaker", "image": "speaker", "resources": requests}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "openelb-speaker", "namespace": "openelb-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def peer(name: str, address: str, asn: int) -> Plain:
    """A BgpPeer that every speaker tries, the default."""
    spec = {"conf": {"neighborAddress": address, "peerAs": asn}}
    return {
        "apiVersion": "network.kubesphere.io/v1alpha2",
        "kind": "BgpPeer",
        "metadata": {"name": name},
        "spec": spec,
    }


DOMAINS = [
    {"kind": "rack", "nodeLabel": "example.com/rack"},
    {"kind": "zone", "nodeLabel": "topology.kubernetes.io/zone"},
]
RACKS = [f"r{rack:02d}" for rack in range(-(-SIZE // RACK))]


def single_tor() -> tuple[list[Plain], Plain, Plain]:
    """Objects, topology and policy: every rack under one leaf, the BgpPeers open to all nodes."""
    peers = [peer(f"leaf-{rack}", f"192.168.{i}.1", 65000 + i) for i, rack in enumerate(RACKS)]
    routers = [
        {
            "name": f"leaf-{rack}",
            "domains": {"rack": rack},
            "nodes": {"selector": {"matchLabels": {"example.com/rack": rack}}},
        }
        for rack in RACKS
    ]
    topology = {"routers": routers, "failureDomains": DOMAINS}
    return [*nodes(), *pods(), daemonset(), *peers], topology, {"survive": [{"kind": "rack"}]}


def dual_tor() -> tuple[list[Plain], Plain, Plain]:
    """Every rack under two ToRs known by address range, 64 sessions each; sessions are chosen and have a price."""
    routers = [
        {
            "name": f"tor-{rack}{side}",
            "address": f"192.168.{i}.{k}",
            "asn": 65000 + i,
            "maxSessions": 64,
            "nodes": {"cidrs": [f"10.{i}.0.0/24"]},
        }
        for i, rack in enumerate(RACKS)
        for k, side in ((1, "a"), (2, "b"))
    ]
    policy = {"peering": "selected", "speaker": {"perSession": {"cpu": "20m", "memory": "30Mi"}, "maxSessions": 4}}
    return [*nodes(), *pods(), daemonset()], {"routers": routers, "failureDomains": DOMAINS}, policy


def route_server() -> tuple[list[Plain], Plain, Plain]:
    """One route server that every node reaches; it must keep a session whichever zone fails."""
    topology = {
        "routers": [{"name": "rs", "address": "192.168.255.1", "minSpeakers": 3, "nodes": {"cidrs": ["10.0.0.0/8"]}}],
        "failureDomains": DOMAINS,
    }
    objects = [*nodes(), *pods(), daemonset(), peer("rs", "192.168.255.1", 65255)]
    return objects, topology, {"survive": [{"kind": "zone", "survivors": 2}, {"kind": "rack"}]}

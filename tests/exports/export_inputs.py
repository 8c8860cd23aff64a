"""Small clusters for the tests of plans and exports: racks of two nodes, a leaf router each, one speaker DaemonSet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optimizer.kube.selectors import selects
from optimizer.model import (
    Cluster,
    LabelSelector,
    Node,
    NodeSelectorTerm,
    Peer,
    Placement,
    Policy,
    Requirement,
    Resources,
    Router,
    Session,
    Speaker,
    Taint,
    Today,
    Toleration,
)

HOSTNAME = "kubernetes.io/hostname"
KEY, VALUE = "bgp-speakers/speaker", "true"
OURS = Taint(KEY, "NoSchedule", VALUE)
DAEMONSET = ("DaemonSet", "openelb-system", "openelb-speaker")
POLICY = Policy()


def node(name: str, rack: str = "r1", chosen: bool = False, taints: Sequence[Taint] = (), **labels: str) -> Node:
    marked = {KEY: VALUE} if chosen else {}
    return Node(name, {HOSTNAME: name, "kubernetes.io/os": "linux", "rack": rack, **marked, **labels}, tuple(taints))


def selector(raw: Mapping[str, Any] | None) -> LabelSelector | None:
    if raw is None:
        return None
    parts = [
        Requirement(each["key"], each["operator"], tuple(each.get("values", ())))
        for each in raw.get("matchExpressions", ())
    ]
    return LabelSelector(raw.get("matchLabels", {}), tuple(parts))


def hostnames(*names: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": sorted(names)}]}


def rack(name: str) -> dict[str, Any]:
    return {"matchLabels": {"rack": name}}


def peer(name: str, address: str, raw: Mapping[str, Any] | None = None, asn: int = 65001, **metadata: Any) -> Peer:
    spec: dict[str, Any] = {"conf": {"neighborAddress": address, "peerAs": asn}}
    if raw is not None:
        spec["nodeSelector"] = raw
    manifest = {
        "apiVersion": "network.kubesphere.io/v1alpha2",
        "kind": "BgpPeer",
        "metadata": {"name": name, "resourceVersion": "7", "uid": f"uid-{name}", **metadata},
        "spec": spec,
        "status": {"nodesPeerStatus": {}},
    }
    return Peer(name, address, asn, selector(raw), manifest, parked=address == "192.0.2.1")


def daemonset(pod: Mapping[str, Any] | None = None, name: str = DAEMONSET[2], **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": DAEMONSET[1], "generation": 3},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "speaker", "image": "openelb-speaker:v0.6.0"}], **(pod or {})},
            },
            **spec,
        },
        "status": {"desiredNumberScheduled": 4},
    }


def speaker(manifest: Mapping[str, Any]) -> Speaker:
    pod = manifest["spec"]["template"]["spec"]
    required = ((pod.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = tuple(
        NodeSelectorTerm(
            tuple(
                Requirement(p["key"], p["operator"], tuple(p.get("values", ()))) for p in t.get("matchExpressions", ())
            )
        )
        for t in (required or {}).get("nodeSelectorTerms", ())
    )
    given = pod.get("tolerations") or ()
    return Speaker(
        namespace=manifest["metadata"]["namespace"],
        name=manifest["metadata"]["name"],
        node_selector=pod.get("nodeSelector") or {},
        affinity=terms or None,
        tolerations=tuple(
            Toleration(t.get("key", ""), t.get("operator", "Equal"), t.get("value", ""), t.get("effect", ""))
            for t in given
        ),
        requests=Resources(100, 100),
        host_network=True,
        manifest=manifest,
    )


def cluster(
    nodes: Sequence[Node],
    routers: Sequence[Router] = (),
    peers: Sequence[Peer] = (),
    pod: Mapping[str, Any] | None = None,
    running: Iterable[str] | None = None,
    **more: Any,
) -> Cluster:
    """A cluster whose speakers run on `running` (all nodes by default), with the sessions that the BgpPeers give."""
    manifest = daemonset(pod)
    speakers = tuple(sorted(running if running is not None else (each.name for each in nodes)))
    labels = {each.name: each.labels for each in nodes}
    sessions: dict[str, tuple[str, ...]] = {}
    for router in routers:
        group = [each for each in peers if each.address == router.address]
        sessions[router.name] = tuple(
            name for name in speakers if any(selects(each.selector, labels[name]) for each in group)
        )
    return Cluster(
        nodes=tuple(nodes),
        routers=tuple(routers),
        peers=tuple(peers),
        speaker=speaker(manifest),
        daemonsets=(manifest, *more.pop("daemonsets", ())),
        today=Today(speakers, sessions),
        **more,
    )


def router(number: int, peer_name: str | None = None, raw: Mapping[str, Any] | None = None, **more: Any) -> Router:
    return Router(
        f"leaf-{number}", address=f"10.0.0.{number}", asn=65000 + number, selector=selector(raw), peer=peer_name, **more
    )


def placed(*pairs: tuple[str, str], speakers: Iterable[str] = ()) -> Placement:
    names = sorted({*speakers, *(name for name, _ in pairs)})
    return Placement("optimal", speakers=tuple(names), sessions=tuple(sorted(Session(*pair) for pair in pairs)))


def two_racks(**more: Any) -> Cluster:
    """Two racks of two nodes, a speaker on each, and a BgpPeer for each rack's leaf that selects the rack."""
    return cluster(
        [node("a1", "r1"), node("a2", "r1"), node("b1", "r2"), node("b2", "r2"), node("c1", "r1")],
        [router(1, "leaf-1", rack("r1")), router(2, "leaf-2", rack("r2"))],
        [peer("leaf-1", "10.0.0.1", rack("r1")), peer("leaf-2", "10.0.0.2", rack("r2"))],
        pod={"nodeSelector": {"kubernetes.io/os": "linux"}},
        **more,
    )


TWO_RACKS = placed(("a1", "leaf-1"), ("a2", "leaf-1"), ("b1", "leaf-2"), ("b2", "leaf-2"))

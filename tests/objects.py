"""Kubernetes objects as `kubectl get` prints them, small, and what reads them back, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.model import Cluster

Object = dict[str, Any]
SPEAKER = "openelb-speaker"
SYSTEM = "openelb-system"


def node(
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    ready: str | None = "True",
    addresses: Iterable[str] = (),
    allocatable: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A Node; `spec` holds taints, unschedulable."""
    status: Object = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}
    if ready is not None:
        status["conditions"] = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    if allocatable is not None:
        status["allocatable"] = dict(allocatable)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": spec,
        "status": status,
    }


def pod(
    name: str,
    on: str | None,
    *,
    namespace: str = "default",
    requests: Mapping[str, Any] | None = None,
    owner: str | None = None,
    labels: Mapping[str, str] | None = None,
    phase: str = "Running",
    deleted: bool = False,
    **spec: Any,
) -> Object:
    """A Pod on a node; `owner` is the name of its DaemonSet."""
    metadata: Object = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": owner, "uid": "1"}]
    if deleted:
        metadata["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    containers = [{"name": "main", "resources": {"requests": dict(requests or {})}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, "nodeName": on} | spec,
        "status": {"phase": phase},
    }


def speaker_pod(on: str, **settings: Any) -> Object:
    """A pod of OpenELB's DaemonSet on a node."""
    given = {"namespace": SYSTEM, "owner": SPEAKER, "requests": {"cpu": "100m", "memory": "100Mi"}} | settings
    return pod(f"speaker-{on}", on, **given)


def daemonset(name: str = SPEAKER, namespace: str = SYSTEM, scheduled: int | None = None, **pod_spec: Any) -> Object:
    """OpenELB's speaker DaemonSet, or of another name somebody else's; `pod_spec` goes over its pod template's spec."""
    containers = [{"name": "speaker", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}}]
    labels = {"app": "openelb", "component": "speaker"} if name == SPEAKER else {"app": name}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"hostNetwork": True, "containers": containers} | pod_spec,
            },
        },
    }
    return made if scheduled is None else made | {"status": {"currentNumberScheduled": scheduled}}


def peer(name: str, address: str, selector: Object | None = None, asn: Any = 65001) -> Object:
    """A BgpPeer of OpenELB; without a selector every speaker peers with it."""
    spec: Object = {"conf": {"neighborAddress": address, "peerAs": asn}}
    if selector is not None:
        spec["nodeSelector"] = selector
    metadata = {"name": name}
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": metadata, "spec": spec}


def conf(name: str = "default", **spec: Any) -> Object:
    """A BgpConf of OpenELB."""
    metadata = {"name": name}
    return {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpConf", "metadata": metadata, "spec": spec}


def list_of(*objects: Object) -> Object:
    """The objects as `kubectl get -o json` prints several."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}


def write(path: Path, content: object) -> Path:
    """The file with the content: bytes and text as they are, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read(folder: Path, *objects: Object, daemonset: str | None = None) -> Cluster:
    """The cluster of these objects."""
    return read_cluster([str(write(folder / "cluster.json", list_of(*objects)))], daemonset)


def refusal(folder: Path, *objects: Object, daemonset: str | None = None) -> str:
    """The sentence with which these objects are refused; it names the file and stands on one line."""
    with pytest.raises(InputError) as caught:
        read(folder, *objects, daemonset=daemonset)
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence.replace(f"{folder}/", "")

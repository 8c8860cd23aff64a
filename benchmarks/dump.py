"""A dump as kubectl prints it, of any size: nodes of about 10 kB each, a speaker DaemonSet, two BgpPeers a rack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

RACK = 40
NAME, NUMBER, RACK_MARK = "node-NAME", "NUMBER", "RACK-MARK"
"""What is replaced in the text of a node; so a dump of 100,000 nodes is written in seconds."""


def write_dump(path: Path, nodes: int) -> None:
    """Write `nodes` nodes and what belongs to them, as JSON, or as YAML where the file is called so."""
    as_yaml = path.suffix in (".yaml", ".yml")
    text = render(node(), as_yaml)
    with path.open("w") as out:
        out.write("apiVersion: v1\nitems:\n" if as_yaml else '{\n    "apiVersion": "v1",\n    "items": [\n')
        for number in range(nodes):
            each = text.replace(NAME, f"node-{number:07d}").replace(NUMBER, f"{number:012x}")
            each = each.replace(RACK_MARK, f"r{number // RACK:05d}")
            out.write(each if as_yaml else f"{each},\n")
        out.write(("" if as_yaml else ",\n").join(render(each, as_yaml) for each in others(-(-nodes // RACK))))
        out.write("kind: List\n" if as_yaml else '\n    ],\n    "kind": "List"\n}\n')


class Plain(yaml.SafeDumper):
    """Writes no aliases, as kubectl does not."""

    def ignore_aliases(self, _: Any) -> bool:
        """Whatever it is."""
        return True


def render(item: dict[str, Any], as_yaml: bool) -> str:
    """One item of the list, indented as kubectl does."""
    if not as_yaml:
        return "\n".join(" " * 8 + line for line in json.dumps(item, indent=4).splitlines())
    first, *rest = yaml.dump(item, Dumper=Plain, default_flow_style=False).splitlines()
    return "\n".join([f"- {first}", *(f"  {line}" for line in rest)]) + "\n"


def node() -> dict[str, Any]:
    """A node of a managed cluster: labels, conditions, ten images, and who manages which field."""
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": NAME,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "c6.8xlarge",
        "example.com/rack": RACK_MARK,
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": "region-1a",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "creationTimestamp": "2026-01-02T17:20:13Z",
            "labels": labels,
            "managedFields": [
                managed("kubelet", labels),
                managed("kube-controller-manager", {"node.alpha.kubernetes.io/ttl": "0"}),
            ],
            "name": NAME,
            "resourceVersion": "148812345",
            "uid": f"8f0a1c52-6f3e-4b1d-9c55-{NUMBER}",
        },
        "spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24"], "providerID": f"example:///{NAME}"},
        "status": status(),
    }


def status() -> dict[str, Any]:
    """What the kubelet reports."""
    quantities = {
        "cpu": "32",
        "ephemeral-storage": "202092Mi",
        "hugepages-2Mi": "0",
        "memory": "65536Mi",
        "pods": "110",
    }
    return {
        "addresses": [{"address": "10.1.7.9", "type": "InternalIP"}, {"address": NAME, "type": "Hostname"}],
        "allocatable": {**quantities, "cpu": "31850m", "memory": "62Gi"},
        "capacity": quantities,
        "conditions": conditions(),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": images(),
        "nodeInfo": node_info(),
    }


def conditions() -> list[dict[str, str]]:
    """The conditions of a node that is well."""
    return [
        {
            "lastHeartbeatTime": "2026-01-14T09:41:07Z",
            "lastTransitionTime": "2026-01-02T17:20:33Z",
            "message": message,
            "reason": reason,
            "status": status,
            "type": kind,
        }
        for kind, status, reason, message in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        )
    ]


def images() -> list[dict[str, Any]]:
    """Ten images, each by digest and by tag."""
    return [
        {
            "names": [
                f"registry.example.com/platform/component-{i:02d}@sha256:{i * 0x9E3779B97F4A7C15:064x}",
                f"registry.example.com/platform/component-{i:02d}:v1.{i}.0",
            ],
            "sizeBytes": 10_000_000 + 7_654_321 * i,
        }
        for i in range(10)
    ]


def node_info() -> dict[str, str]:
    """What the kubelet says of its machine."""
    return {
        "architecture": "amd64",
        "bootID": f"3c1b6f0a-3a52-49d1-8d4e-{NUMBER}",
        "containerRuntimeVersion": "containerd://1.7.24",
        "kernelVersion": "6.8.0-51-generic",
        "kubeProxyVersion": "v1.31.4",
        "kubeletVersion": "v1.31.4",
        "machineID": f"b7d1e9c2a8f34e6db0c1{NUMBER}",
        "operatingSystem": "linux",
        "osImage": "Ubuntu 24.04.1 LTS",
        "systemUUID": f"b7d1e9c2-a8f3-4e6d-b0c1-{NUMBER}",
    }


def managed(manager: str, labels: dict[str, str]) -> dict[str, Any]:
    """An entry of `managedFields`."""
    fields: dict[str, dict[str, str]] = {f"f:{label}": {} for label in labels}
    return {
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {".": {}, **fields}}},
        "manager": manager,
        "operation": "Update",
        "time": "2026-01-02T17:20:33Z",
    }


def others(racks: int) -> Iterator[dict[str, Any]]:
    """The speaker DaemonSet and two BgpPeers for each rack."""
    labels = {"app": "openelb", "component": "speaker"}
    container = {
        "image": "kubesphere/openelb-speaker:v0.6.0",
        "name": "openelb-speaker",
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "openelb-speaker", "namespace": "openelb-system"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "hostNetwork": True,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                },
            },
        },
    }
    for rack in range(racks):
        for side in range(2):
            number = 2 * rack + side
            address = f"10.{128 + number // 65536}.{number // 256 % 256}.{number % 256}"
            yield {
                "apiVersion": "network.kubesphere.io/v1alpha2",
                "kind": "BgpPeer",
                "metadata": {"name": f"tor-r{rack:05d}-{'ab'[side]}"},
                "spec": {
                    "conf": {"neighborAddress": address, "peerAs": 65001},
                    "nodeSelector": {"matchLabels": {"example.com/rack": f"r{rack:05d}"}},
                },
            }

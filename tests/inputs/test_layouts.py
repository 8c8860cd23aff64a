"""Folders as tools write them are read whole, packed and unpacked: must-gather, support bundle, cluster-info dump."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from optimizer.cli.main import main
from optimizer.inputs.cluster import read_cluster
from tests.objects import SYSTEM, Object, daemonset, node, peer, pod, speaker_pod, write

NAMES = ("n1", "n2", "n3", "n4")
NODES = [node(name, allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"}) for name in NAMES]
SPEAKERS = [speaker_pod(name) for name in NAMES]
DNS = pod("dns-1", "n1", namespace="kube-system", requests={"cpu": "100m"})
LEAF = peer("leaf", "192.0.2.10")


def typed(kind: str, *items: Object, api: str = "v1", bare: bool = False) -> Object:
    """A list as an API server gives it; its members name their kind where they are not `bare`."""
    left = [{key: each[key] for key in each if key not in ("kind", "apiVersion")} if bare else each for each in items]
    return {"kind": kind, "apiVersion": api, "metadata": {"resourceVersion": "9"}, "items": left}


def as_yaml(given: object) -> str:
    return f"---\n{yaml.safe_dump(given)}"


def must_gather(folder: Path) -> None:
    """Every pod stands in the list of its namespace and in a file of its own, where the managed fields are shown."""
    root = folder / "must-gather.local.1" / "quay-io-sha256-0"
    write(folder / "must-gather.local.1" / "event-filter.html", "<html>")
    write(root / "version", "4.18")
    for each in NODES:
        write(root / "cluster-scoped-resources" / "core" / "nodes" / f"{each['metadata']['name']}.yaml", as_yaml(each))
    write(root / "cluster-scoped-resources" / "network.kubesphere.io" / "bgppeers" / "leaf.yaml", as_yaml(LEAF))
    for space, pods in ((SYSTEM, SPEAKERS), ("kube-system", [DNS])):
        held = root / "namespaces" / space
        write(held / "core" / "pods.yaml", as_yaml(typed("PodList", *pods)))
        for each in pods:
            name, fields = each["metadata"]["name"], [{"manager": "kubelet", "operation": "Update"}]
            whole = each | {"metadata": each["metadata"] | {"managedFields": fields}}
            write(held / "pods" / name / f"{name}.yaml", as_yaml(whole))
            write(held / "pods" / name / "main" / "main" / "logs" / "current.log", "{")
    sets = typed("DaemonSetList", daemonset(), api="apps/v1")
    write(root / "namespaces" / SYSTEM / "apps" / "daemonsets.yaml", as_yaml(sets))
    write(root / "namespaces" / SYSTEM / "apps" / "deployments.yaml", "")
    write(root / "etcd_info" / "member_list.json", {"members": []})
    write(root / "audit_logs" / "kube-apiserver" / "audit.log.gz", b"\x1f\x8b")


def support_bundle(folder: Path) -> None:
    """Every custom resource stands in it as JSON and as YAML, each a bare array, and errors beside what was listed."""
    root = folder / "support-bundle-1"
    resources = root / "cluster-resources"
    write(root / "version.yaml", "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec: {versionNumber: 1}\n")
    write(root / "analysis.json", [{"name": "a", "insight": {}}])
    write(root / "cluster-info" / "cluster_version.json", {"info": {"major": "1"}, "string": "v1.33.4"})
    write(resources / "groups.json", [{"name": "apps", "versions": []}])
    write(resources / "resources.json", [{"kind": "APIResourceList", "resources": []}, {"groupVersion": "apps/v1"}])
    write(resources / "pods-errors.json", {"default": "the server could not find the requested resource"})
    write(resources / "nodes-errors.json", "null")
    write(resources / "nodes.json", json.dumps(typed("NodeList", *NODES), indent=4))
    for space, pods in ((SYSTEM, SPEAKERS), ("kube-system", [DNS]), ("default", [])):
        write(resources / "pods" / f"{space}.json", json.dumps(typed("PodList", *pods), indent=4))
    write(resources / "daemonsets" / f"{SYSTEM}.json", typed("DaemonSetList", daemonset(), api="apps/v1"))
    write(resources / "custom-resources" / "bgppeers.network.kubesphere.io.json", [LEAF])
    write(resources / "custom-resources" / "bgppeers.network.kubesphere.io.yaml", yaml.safe_dump([LEAF]))


def cluster_info(folder: Path) -> None:
    """What kubectl cluster-info dump -A --output-directory writes; it has no custom resources."""
    write(folder / "nodes.json", json.dumps(typed("NodeList", *NODES, bare=True), indent=4))
    for space, pods, sets in ((SYSTEM, SPEAKERS, [daemonset()]), ("kube-system", [DNS], [])):
        write(folder / space / "events.json", typed("EventList", {"metadata": {"name": "e"}, "reason": "x"}))
        write(folder / space / "pods.json", json.dumps(typed("PodList", *pods, bare=True), indent=4))
        write(folder / space / "daemonsets.json", typed("DaemonSetList", *sets, api="apps/v1", bare=True))
        for each in pods:
            write(folder / space / each["metadata"]["name"] / "logs.txt", "==== START logs for container main ====")
    write(folder / "bgppeers.yaml", yaml.safe_dump(LEAF))


@pytest.mark.parametrize(
    ("layout", "rules"),
    [
        (must_gather, ["file-empty", "file-passed-over"]),
        (support_bundle, ["file-passed-over"]),
        (cluster_info, []),
    ],
)
def test_a_folder_that_a_tool_wrote_is_read_whole(tmp_path: Path, layout: object, rules: list[str]) -> None:
    layout(tmp_path / "dump")  # type: ignore[operator]
    packed = tmp_path / "dump.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "dump", "dump")
    unpacked, same = read_cluster([str(tmp_path / "dump")]), read_cluster([str(packed)])
    assert same.nodes == unpacked.nodes
    for cluster in (unpacked, same):
        assert [each.name for each in cluster.nodes] == [*NAMES]
        assert cluster.today.speakers == NAMES
        assert cluster.nodes[0].requested.cpu == 100
        assert [each.rule for each in cluster.warnings] == rules
    result = CliRunner().invoke(main, ["optimize", str(packed)])
    assert result.exit_code == 0, result.output
    assert "4 today -> 2" in result.stdout

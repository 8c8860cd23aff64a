"""The state of nodes: conditions, the taints that say the same, and nodes that go or are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.checks.manifests import running_speakers
from optimizer.model import Node
from tests.objects import Object, daemonset, node, read

EVERYTHING = "NoSchedule"


def read_one(folder: Path, given: Object) -> Node:
    return read(folder, given).nodes[0]


def tainted(key: str, value: str = "", effect: str = EVERYTHING) -> Object:
    return node("n1", taints=[{"key": key, "effect": effect} | ({"value": value} if value else {})])


def with_conditions(given: Object, **conditions: str) -> Object:
    given["status"]["conditions"] = [{"type": name, "status": status} for name, status in conditions.items()]
    return given


@pytest.mark.parametrize(
    ("condition", "trouble"),
    [
        ("DiskPressure", "under DiskPressure"),
        ("MemoryPressure", "under MemoryPressure"),
        ("PIDPressure", "under PIDPressure"),
        ("NetworkUnavailable", "without a network"),
    ],
)
def test_a_condition_makes_a_node_unfit(tmp_path: Path, condition: str, trouble: str) -> None:
    for status, troubles in (("True", (trouble,)), ("False", ()), ("Unknown", ())):
        given = with_conditions(node("n1"), Ready="True", **{condition: status})
        assert (read_one(tmp_path, given).troubles, read_one(tmp_path, given).ready) == (troubles, True)


@pytest.mark.parametrize(
    ("key", "condition", "trouble"),
    [
        ("disk-pressure", "DiskPressure", "under DiskPressure"),
        ("memory-pressure", "MemoryPressure", "under MemoryPressure"),
        ("pid-pressure", "PIDPressure", "under PIDPressure"),
        ("network-unavailable", "NetworkUnavailable", "without a network"),
    ],
)
def test_a_taint_stands_in_for_a_condition_that_is_not_given(
    tmp_path: Path, key: str, condition: str, trouble: str
) -> None:
    given = with_conditions(tainted(f"node.kubernetes.io/{key}"), Ready="True")
    assert read_one(tmp_path, given).troubles == (trouble,)
    assert read_one(tmp_path, with_conditions(given, **{condition: "False"})).troubles == ()
    assert read_one(tmp_path, with_conditions(given, **{condition: "True"})).troubles == (trouble,)


@pytest.mark.parametrize("key", ["not-ready", "unreachable"])
def test_a_taint_stands_in_for_the_ready_condition(tmp_path: Path, key: str) -> None:
    given = tainted(f"node.kubernetes.io/{key}", effect="NoExecute")
    assert read_one(tmp_path, with_conditions(given)).ready is False
    assert read_one(tmp_path, with_conditions(given, Ready="True")).ready is True


def test_a_cordon_is_told_by_its_taint_too(tmp_path: Path) -> None:
    assert read_one(tmp_path, tainted("node.kubernetes.io/unschedulable")).unschedulable
    assert not read_one(tmp_path, tainted("example.com/unschedulable")).unschedulable


@pytest.mark.parametrize(
    ("key", "value", "trouble"),
    [
        ("ToBeDeletedByClusterAutoscaler", "1712345678", "about to be removed (ToBeDeletedByClusterAutoscaler)"),
        ("karpenter.sh/disrupted", "", "about to be removed (karpenter.sh/disrupted)"),
        ("karpenter.sh/disruption", "disrupting", "about to be removed (karpenter.sh/disruption=disrupting)"),
        ("cloud.google.com/impending-node-termination", "", "about to be removed (cloud.google.com/impending-node-ter"),
        ("aws-node-termination-handler/spot-itn", "x", "about to be removed (aws-node-termination-handler/spot-itn)"),
        ("node.cloudprovider.kubernetes.io/shutdown", "", "shut down (node.cloudprovider.kubernetes.io/shutdown)"),
        ("node.kubernetes.io/out-of-service", "nodeshutdown", "out of service (node.kubernetes.io/out-of-service)"),
        ("virtual-kubelet.io/provider", "azure", "virtual"),
        ("virtual-node.liqo.io/not-allowed", "true", "virtual"),
        ("eks.amazonaws.com/compute-type", "fargate", "virtual"),
    ],
)
def test_a_node_that_goes_or_is_none_is_unfit(tmp_path: Path, key: str, value: str, trouble: str) -> None:
    (found,) = read_one(tmp_path, tainted(key, value)).troubles
    assert found.startswith(trouble)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DeletionCandidateOfClusterAutoscaler", "1712345678"),
        ("karpenter.sh/disruption", "candidate"),
        ("aws-node-termination-handler/rebalance-recommendation", "x"),
        ("eks.amazonaws.com/compute-type", "hybrid"),
        ("dedicated", "db"),
    ],
)
def test_other_taints_are_for_the_scheduler_alone(tmp_path: Path, key: str, value: str) -> None:
    assert read_one(tmp_path, tainted(key, value)).troubles == ()


@pytest.mark.parametrize(
    ("key", "value", "virtual"),
    [
        ("type", "virtual-kubelet", True),
        ("liqo.io/type", "virtual-node", True),
        ("eks.amazonaws.com/compute-type", "fargate", True),
        ("eks.amazonaws.com/compute-type", "ec2", False),
        ("type", "worker", False),
    ],
)
def test_a_virtual_node_is_known_by_its_label(tmp_path: Path, key: str, value: str, virtual: bool) -> None:
    assert read_one(tmp_path, node("n1", {key: value})).troubles == (("virtual",) if virtual else ())


def test_a_virtual_node_is_named_once(tmp_path: Path) -> None:
    given = tainted("virtual-kubelet.io/provider", "azure")
    given["metadata"]["labels"]["type"] = "virtual-kubelet"
    assert read_one(tmp_path, given).troubles == ("virtual",)


def test_a_node_that_runs_windows_takes_no_speaker(tmp_path: Path) -> None:
    by_label = [node("n1", {key: "windows"}) for key in ("kubernetes.io/os", "beta.kubernetes.io/os")]
    by_status = node("n1")
    by_status["status"]["nodeInfo"] = {"operatingSystem": "windows"}
    for given in (*by_label, by_status):
        assert read_one(tmp_path, given).troubles == ("running Windows",)
        specs: tuple[dict[str, Any], ...] = (
            {"nodeSelector": {"kubernetes.io/os": "windows"}},
            {"os": {"name": "windows"}},
        )
        for spec in specs:
            assert read(tmp_path, given, daemonset(**spec)).nodes[0].troubles == ()
        assert read(tmp_path, given, daemonset()).nodes[0].troubles == ("running Windows",)
    linux = node("n1", {"kubernetes.io/os": "linux"})
    linux["status"]["nodeInfo"] = {"operatingSystem": "linux"}
    assert read_one(tmp_path, linux).troubles == ()


def test_what_is_tolerated_for_a_while_only_is_not_tolerated(tmp_path: Path) -> None:
    taint = {"key": "maintenance", "effect": "NoExecute"}
    for seconds, speakers in ((300, ()), (0, ()), (None, ("n1",))):
        toleration = {"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        given, own = node("n1", taints=[taint]), daemonset(tolerations=[toleration])
        assert read(tmp_path, given, own).today.speakers == speakers
        assert tuple(name for name, _ in running_speakers({"n1": given}, own)) == speakers

"""What a pod requests: resizes in place, the pod as a whole, and resources beside CPU and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.model import Resources
from tests.objects import Object, daemonset, node, pod, read, refusal

INFEASIBLE = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}
DEFERRED = {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Deferred"}]}
OLD = {"resize": "Infeasible"}


def container(cpu: str | None, name: str = "c", **fields: Any) -> Object:
    return {"name": name, "resources": {"requests": {"cpu": cpu}} if cpu else {}, **fields}


def state(allotted: str | None = None, actual: str | None = None, name: str = "c") -> Object:
    """A container's status with what it is allotted, and what is in effect."""
    found: Object = {"name": name}
    if allotted:
        found["allocatedResources"] = {"cpu": allotted}
    if actual:
        found["resources"] = {"requests": {"cpu": actual}}
    return found


def requested(folder: Path, given: Object, **status: Any) -> Resources:
    given["status"] |= status
    return read(folder, node("n1"), daemonset(), given).nodes[0].requested


@pytest.mark.parametrize(
    ("asked", "statuses", "status", "counted"),
    [
        ("1", [state("1", "1")], {}, 1000),
        ("1", [state("2", "1")], {}, 2000),
        ("1", [state("1", "3")], {}, 3000),
        ("4", [state("1", "1")], {}, 4000),
        ("4", [state("1", "1")], DEFERRED, 4000),
        ("100", [state("1", "1")], INFEASIBLE, 1000),
        ("100", [state("2", "1")], INFEASIBLE, 2000),
        ("100", [state("1")], INFEASIBLE, 1000),
        ("100", [state(None, "1")], INFEASIBLE, 1000),
        ("100", [state("1")], OLD, 1000),
        ("100", [], INFEASIBLE, 100_000),
        ("1", [state()], INFEASIBLE, 1000),
        ("1", [state("9", "9", name="other")], {}, 1000),
    ],
)
def test_a_resize_in_place_counts_as_the_kubelet_says(
    tmp_path: Path, asked: str, statuses: list[Object], status: Object, counted: int
) -> None:
    given = pod("a", "n1", containers=[container(asked)])
    assert requested(tmp_path, given, containerStatuses=statuses, **status).cpu == counted


def test_each_container_is_resized_by_itself(tmp_path: Path) -> None:
    given = pod("a", "n1", containers=[container("1", "c"), container("2", "d")])
    states = [state("3", "3", "d"), state("1", "2", "c")]
    assert requested(tmp_path, given, containerStatuses=states).cpu == 2000 + 3000


def test_sidecars_are_resized_and_other_init_containers_are_not(tmp_path: Path) -> None:
    init = [container("1", "s", restartPolicy="Always"), container("1", "i")]
    given = pod("a", "n1", containers=[container("1")], initContainers=init)
    states = [state("5", "5", "s"), state("50", "50", "i")]
    assert requested(tmp_path, given, initContainerStatuses=states).cpu == 6000


@pytest.mark.parametrize(
    ("status", "cpu"),
    [
        ({}, 4000),
        ({"resources": {"requests": {"cpu": "6"}}}, 6000),
        ({"allocatedResources": {"cpu": "5"}, "resources": {"requests": {"cpu": "3"}}}, 5000),
        ({"allocatedResources": {"cpu": "3"}} | INFEASIBLE, 3000),
        (INFEASIBLE, 4000),
    ],
)
def test_a_pod_as_a_whole_is_resized_too(tmp_path: Path, status: Object, cpu: int) -> None:
    given = pod("a", "n1", containers=[container("1")], resources={"requests": {"cpu": "4"}})
    assert requested(tmp_path, given, **status).cpu == cpu


def test_the_status_of_a_pod_includes_its_overhead(tmp_path: Path) -> None:
    level = {"requests": {"cpu": "4"}}
    given = pod("a", "n1", containers=[container("1")], resources=level, overhead={"cpu": "250m"})
    assert requested(tmp_path, given, allocatedResources={"cpu": "5250m"}).cpu == 5250


def test_every_resource_is_counted(tmp_path: Path) -> None:
    wanted = {"ephemeral-storage": "1Gi", "hugepages-2Mi": "4Mi", "example.com/nic": "1", "example.com/none": "0"}
    limited = {"name": "d", "resources": {"limits": {"example.com/nic": 2}}}
    given = pod("a", "n1", containers=[{"name": "c", "resources": {"requests": wanted}}, limited])
    others = {"ephemeral-storage": 2**30, "example.com/nic": 3, "hugepages-2Mi": 2**22}
    assert requested(tmp_path, given) == Resources(0, 0, 1, others)


def test_huge_pages_can_be_asked_for_by_the_pod_as_a_whole(tmp_path: Path) -> None:
    level = {"requests": {"hugepages-2Mi": "8Mi", "example.com/nic": "7"}}
    given = pod("a", "n1", containers=[container("1")], resources=level)
    assert requested(tmp_path, given) == Resources(1000, 0, 1, {"hugepages-2Mi": 2**23})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"allocatedResources": {"cpu": "x"}}, "containers[0].resources (in the status): cpu: 'x' is not a Kubernetes"),
        ({"resources": {"requests": {"cpu": "-1"}}}, "containers[0].resources (in the status): cpu: '-1' is negative"),
        ({"resources": []}, "containers[0].resources (in the status): expected an object, found a list"),
    ],
)
def test_an_impossible_status_is_refused(tmp_path: Path, change: Object, sentence: str) -> None:
    given = pod("a", "n1", containers=[container("1")])
    given["status"]["containerStatuses"] = [{"name": "c", **change}]
    assert sentence in refusal(tmp_path, node("n1"), daemonset(), given)

"""From objects to the answer: where speakers fit, and what is said where the scheduler could make room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology
from optimizer.model import Placement, Policy
from optimizer.placements.optimize import optimize
from tests.objects import Object, daemonset, node, peer, pod, read, speaker_pod

ROOM = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "10Gi"}


def answer(folder: Path, *objects: Object, nodes: int = 3, **policy: Any) -> Placement:
    """The placement for plain nodes n1, n2, ... and these objects, one of which may be a node that goes instead."""
    given = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Node"}
    plain = [given.get(f"n{i}", node(f"n{i}", allocatable=ROOM)) for i in range(1, nodes + 1)]
    others = [each for each in objects if each["kind"] != "Node"]
    cluster = read(folder, *plain, *others, peer("leaf", "10.0.0.1"))
    return optimize(with_topology(cluster, Topology(), Policy(**policy)), Policy(**policy))


def rules(placement: Placement) -> set[str]:
    return {each.rule for each in placement.warnings}


def test_a_port_a_device_and_a_full_disk_keep_speakers_away(tmp_path: Path) -> None:
    wanted = {"cpu": "100m", "ephemeral-storage": "2Gi"}
    container = {"name": "s", "ports": [{"containerPort": 50051}], "resources": {"requests": wanted}}
    pods = [
        pod("full", "n1", requests={"ephemeral-storage": "9Gi"}),
        pod("router", "n2", hostNetwork=True, containers=[{"name": "c", "ports": [{"containerPort": 50051}]}]),
    ]
    found = answer(tmp_path, daemonset(containers=[container]), *pods, nodes=4)
    assert found.speakers == ("n3", "n4")
    assert found.ineligible == {"host port TCP 50051 taken": 1, "short of 2048Mi ephemeral-storage": 1}


def test_nodes_that_go_lose_their_speakers_though_all_is_tolerated(tmp_path: Path) -> None:
    going = node("n1", allocatable=ROOM, taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}])
    own = daemonset(tolerations=[{"operator": "Exists"}])
    speakers = [speaker_pod(f"n{i}") for i in (1, 2, 3)]
    assert answer(tmp_path, going, own, *speakers).speakers == ("n2", "n3")
    short = answer(tmp_path, going, own, *speakers, nodes=3, speakers_per_router=3, best_effort=True)
    assert short.speakers == ("n2", "n3")


@pytest.mark.parametrize(("spec", "told"), [({}, False), ({"priorityClassName": "system-node-critical"}, True)])
def test_a_priority_is_mentioned_where_nodes_are_full(tmp_path: Path, spec: Object, told: bool) -> None:
    full = [pod(f"full-{i}", f"n{i}", requests={"cpu": "4"}) for i in (2, 3)]
    found = answer(tmp_path, daemonset(**spec), *full)
    assert found.status == "infeasible"
    assert ("priority-not-modelled" in rules(found)) is told


def test_a_priority_is_not_mentioned_where_none_is_full_or_it_evicts_nobody(tmp_path: Path) -> None:
    critical: Object = {"priorityClassName": "system-node-critical"}
    assert "priority-not-modelled" not in rules(answer(tmp_path, daemonset(**critical)))
    polite = daemonset(**critical, preemptionPolicy="Never")
    full = pod("full", "n1", requests={"cpu": "4"})
    assert "priority-not-modelled" not in rules(answer(tmp_path, polite, full))


def test_requests_that_admission_adds_decide_what_fits(tmp_path: Path) -> None:
    own = daemonset(containers=[{"name": "s"}])
    nearly_full = pod("app", "n1", requests={"cpu": "3800m"})
    speakers = [speaker_pod(f"n{i}", requests={"cpu": "500m"}) for i in (2, 3)]
    found = answer(tmp_path, own, nearly_full, *speakers)
    assert (found.speakers, found.ineligible) == (("n2", "n3"), {"short of 500m CPU": 1})
    assert "requests-from-pods" in rules(found)

"""What running speakers request beyond their template, host ports, and rules of the scheduler that are not judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.model import Cluster, Resources
from tests.objects import SYSTEM, Object, daemonset, node, pod, read, refusal, speaker_pod

MI = 2**20
GENERATION = "deprecated.daemonset.template.generation"


def found(cluster: Cluster, rule: str) -> list[str]:
    return [each.sentence for each in cluster.warnings if each.rule == rule]


def requests(cluster: Cluster) -> Resources:
    assert cluster.speaker is not None
    return cluster.speaker.requests


def bare(*containers: Object, **spec: Any) -> Object:
    """A DaemonSet that requests nothing by itself."""
    return daemonset(containers=list(containers) or [{"name": "speaker"}], **spec)


def limit_range(*limits: Object, namespace: str = SYSTEM, name: str = "limits") -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": list(limits)}}


def test_what_running_speakers_request_beyond_the_template_counts(tmp_path: Path) -> None:
    first, second = ({"cpu": cpu, "memory": "50Mi", "example.com/nic": 1} for cpu in ("500m", "700m"))
    pods = speaker_pod("n1", requests=first), speaker_pod("n2", requests=second)
    cluster = read(tmp_path, node("n1"), node("n2"), daemonset(), *pods)
    assert requests(cluster) == Resources(500, 100 * MI, 1, {"example.com/nic": 1})
    (told,) = found(cluster, "requests-from-pods")
    assert "(500m CPU instead of 100m, 1 example.com/nic instead of 0)" in told


def test_one_resized_speaker_makes_no_other_short(tmp_path: Path) -> None:
    resized = speaker_pod("n1", requests={"cpu": "2", "memory": "100Mi", "example.com/nic": 1})
    cluster = read(tmp_path, node("n1"), node("n2"), daemonset(), resized, speaker_pod("n2"))
    assert requests(cluster) == Resources(100, 100 * MI, 1)
    assert found(cluster, "requests-from-pods") == []


def test_a_bad_default_is_the_limit_ranges_fault(tmp_path: Path) -> None:
    limits = limit_range({"type": "Container", "defaultRequest": {"cpu": "much"}})
    assert "LimitRange openelb-system/limits: spec.limits[0]: " in refusal(tmp_path, node("n1"), bare(), limits)


def test_speakers_as_their_template_says_are_not_mentioned(tmp_path: Path) -> None:
    less = speaker_pod("n2", requests={"cpu": "50m"})
    cluster = read(tmp_path, node("n1"), node("n2"), daemonset(), speaker_pod("n1"), less)
    assert requests(cluster) == Resources(100, 100 * MI, 1)
    assert found(cluster, "requests-from-pods") == []


def test_an_injected_sidecar_counts(tmp_path: Path) -> None:
    containers = [{"name": name, "resources": {"requests": {"cpu": cpu}}} for name, cpu in (("s", "1"), ("mesh", "2"))]
    cluster = read(tmp_path, node("n1"), bare(containers[0]), speaker_pod("n1", containers=containers))
    assert requests(cluster).cpu == 3000


def test_a_waiting_speaker_shows_what_admission_adds_and_one_that_ended_does_not(tmp_path: Path) -> None:
    waiting, ended = (speaker_pod("n1", requests={"cpu": cpu}) for cpu in ("300m", "900m"))
    waiting["spec"]["nodeName"] = None
    ended["metadata"]["name"], ended["status"]["phase"] = "ended", "Failed"
    assert requests(read(tmp_path, node("n1"), bare(), waiting, ended)).cpu == 300


def test_pods_of_an_earlier_template_say_nothing_of_the_next_one(tmp_path: Path) -> None:
    given = daemonset()
    given["metadata"]["annotations"] = {GENERATION: "2"}
    old = speaker_pod("n1", requests={"cpu": "1"}, labels={"pod-template-generation": "1"})
    new = speaker_pod("n2", requests={"cpu": "200m"}, labels={"pod-template-generation": "2"})
    assert requests(read(tmp_path, node("n1"), node("n2"), given, old, new)).cpu == 200
    unsaid = speaker_pod("n1", requests={"cpu": "150m"})
    assert requests(read(tmp_path, node("n1"), node("n2"), given, unsaid, new)).cpu == 150


def test_a_speaker_whose_resize_is_infeasible_is_no_measure(tmp_path: Path) -> None:
    given = speaker_pod("n1", containers=[{"name": "c", "resources": {"requests": {"cpu": "100"}}}])
    given["status"] |= {
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
        "containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "150m"}}],
    }
    assert requests(read(tmp_path, node("n1"), bare(), given)).cpu == 150


DEFAULTS = {"type": "Container", "defaultRequest": {"cpu": "500m"}, "default": {"cpu": "1", "memory": "256Mi"}}


def test_without_a_pod_the_namespace_s_limit_range_tells(tmp_path: Path) -> None:
    cluster = read(tmp_path, node("n1"), bare(), limit_range(DEFAULTS))
    assert requests(cluster) == Resources(500, 256 * MI, 1)
    (told,) = found(cluster, "requests-from-limit-range")
    assert "(500m CPU instead of 0m, 256Mi memory instead of 0Mi)" in told


def test_a_limit_range_fills_in_what_a_container_does_not_say(tmp_path: Path) -> None:
    said = {"name": "a", "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "1Mi"}}}
    assert requests(read(tmp_path, node("n1"), bare(said), limit_range(DEFAULTS))) == Resources(10, MI, 1)
    two = read(tmp_path, node("n1"), bare(said, {"name": "b"}), limit_range(DEFAULTS))
    assert requests(two) == Resources(510, 257 * MI, 1)


@pytest.mark.parametrize(
    "other",
    [
        limit_range(DEFAULTS, namespace="elsewhere"),
        limit_range({**DEFAULTS, "type": "Pod"}),
        limit_range(),
    ],
)
def test_a_limit_range_of_something_else_does_not_count(tmp_path: Path, other: Object) -> None:
    cluster = read(tmp_path, node("n1"), bare(), other)
    assert requests(cluster) == Resources(0, 0, 1)
    assert not found(cluster, "requests-from-limit-range")


def test_running_speakers_go_before_a_limit_range(tmp_path: Path) -> None:
    given = read(tmp_path, node("n1"), bare(), limit_range(DEFAULTS), speaker_pod("n1", requests={"cpu": "1m"}))
    assert requests(given).cpu == 1


def test_host_ports_that_others_hold_are_found(tmp_path: Path) -> None:
    ports = [{"containerPort": 50051, "protocol": "TCP"}, {"containerPort": 7946, "protocol": "UDP"}]
    given = bare({"name": "speaker", "ports": ports})

    def other(name: str, on: str, port: Object, **spec: Any) -> Object:
        return pod(name, on, containers=[{"name": "c", "ports": [port]}], **spec)

    pods = [
        speaker_pod("n1", hostNetwork=True, containers=[{"name": "speaker", "ports": ports}]),
        other("a", "n2", {"hostPort": 50051, "containerPort": 1}),
        other("b", "n2", {"containerPort": 7946, "protocol": "UDP"}, hostNetwork=True),
        other("c", "n3", {"containerPort": 50051}),
        other("d", "n3", {"containerPort": 50051, "protocol": "UDP"}, hostNetwork=True),
        other("e", "n3", {"containerPort": 50051}, hostNetwork=True, phase="Succeeded"),
        other("f", "n4", {"hostPort": 50051, "hostIP": "10.0.0.4"}),
    ]
    cluster = read(tmp_path, *(node(f"n{i}") for i in (1, 2, 3, 4)), given, *pods)
    assert [each.taken for each in cluster.nodes] == [(), ("TCP 50051", "UDP 7946"), (), ("TCP 50051",)]
    assert cluster.speaker is not None
    assert cluster.speaker.ports == (("TCP", "0.0.0.0", 50051), ("UDP", "0.0.0.0", 7946))


RULES: list[tuple[Object, str]] = [
    ({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "podAntiAffinity"),
    ({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "a required podAffinity"),
    ({"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]}, "topologySpreadConstraints"),
    ({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "x"}}]}, "kind persistentVolumeClaim"),
    ({"volumes": [{"name": "a", "ephemeral": {"volumeClaimTemplate": {}}}]}, "volumes of kind ephemeral"),
    ({"resourceClaims": [{"name": "a"}]}, "resourceClaims"),
    ({"schedulingGates": [{"name": "a"}]}, "schedulingGates"),
    ({"schedulerName": "mine"}, "another schedulerName"),
    ({"runtimeClassName": "kata"}, "a runtimeClassName"),
]


@pytest.mark.parametrize(("spec", "words"), RULES)
def test_a_rule_of_the_scheduler_that_is_not_judged_is_reported(tmp_path: Path, spec: Object, words: str) -> None:
    (told,) = found(read(tmp_path, node("n1"), daemonset(**spec)), "scheduler-rule-not-modelled")
    assert words in told


def test_several_such_rules_are_one_finding(tmp_path: Path) -> None:
    both: Object = {"resourceClaims": [{"name": "a"}], "schedulerName": "mine"}
    (told,) = found(read(tmp_path, node("n1"), daemonset(**both)), "scheduler-rule-not-modelled")
    assert "resourceClaims, another schedulerName than default-scheduler, which are not looked at" in told


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        {"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway"}]},
        {"volumes": [{"name": "a", "hostPath": {"path": "/"}}], "schedulerName": "default-scheduler"},
        {"volumes": "odd", "topologySpreadConstraints": ["odd"], "schedulingGates": None},
    ],
)
def test_a_template_without_such_rules_is_not_mentioned(tmp_path: Path, spec: Object) -> None:
    assert found(read(tmp_path, node("n1"), daemonset(**spec)), "scheduler-rule-not-modelled") == []

"""Nodes, pods' requests, the speaker DaemonSet, BgpPeers and BgpConf, and today's speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.kube.quantities import MAX_QUANTITY
from optimizer.model import Cluster, NodeSelectorTerm, Requirement, Resources, Taint, Toleration
from tests.objects import SPEAKER, SYSTEM, Object, daemonset, node, pod, read, refusal, speaker_pod


def requested(folder: Path, *pods: Object) -> Resources:
    """What the pods request on node n1, speakers left out."""
    return read(folder, node("n1"), daemonset(), *pods).nodes[0].requested


def needs(cpu: str | None = None, **resources: Any) -> Object:
    return {"name": "c", "resources": ({"requests": {"cpu": cpu}} if cpu else {}) | resources}


def test_a_node_is_read_with_all_that_matters(tmp_path: Path) -> None:
    taints = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"key": "old", "effect": "NoExecute"}]
    amounts = {"cpu": "3920m", "memory": "30Gi", "pods": 110, "ephemeral-storage": "1Gi", "example.com/nic": "0"}
    given = node("n1", {"rack": "r1"}, addresses=["10.0.0.1", "fd00::1"], allocatable=amounts, taints=taints)
    given["spec"]["unschedulable"] = True
    given["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    given["status"]["addresses"].append({"type": "Hostname", "address": "n1"})
    read_back = read(tmp_path, given).nodes[0]
    assert read_back.labels == {"rack": "r1"}
    assert read_back.taints == (Taint("gpu", "NoSchedule", "yes"), Taint("old", "NoExecute"))
    assert (read_back.unschedulable, read_back.deleting, read_back.ready) == (True, True, True)
    assert read_back.addresses == ("10.0.0.1", "fd00::1")
    assert read_back.allocatable == Resources(3920, 30 * 2**30, 110, {"ephemeral-storage": 2**30})


def test_fields_that_are_absent_or_null_are_empty(tmp_path: Path) -> None:
    bare: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    nulls = bare | {"spec": {"taints": None, "unschedulable": None}, "status": {"allocatable": None, "addresses": None}}
    nulls["metadata"] = {"name": "n1", "labels": None}
    assert read(tmp_path, bare) == read(tmp_path, nulls)
    assert read(tmp_path, bare).nodes[0].allocatable is None


def test_allocatable_is_the_capacity_where_absent_and_without_bound_where_unnamed(tmp_path: Path) -> None:
    given = node("n1")
    given["status"]["capacity"] = {"cpu": "2"}
    others = {"ephemeral-storage": MAX_QUANTITY}
    assert read(tmp_path, given).nodes[0].allocatable == Resources(2000, MAX_QUANTITY, MAX_QUANTITY, others)
    given["status"]["capacity"] |= {"memory": "1Gi", "pods": "9"}
    assert read(tmp_path, given).nodes[0].allocatable == Resources(2000, 2**30, 9)


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False), (None, None)])
def test_a_node_is_ready_by_its_condition(tmp_path: Path, status: str | None, ready: bool | None) -> None:
    cluster = read(tmp_path, node("n1", ready=status), node("n2"))
    assert cluster.nodes[0].ready is ready
    told = "1 of 2 nodes has no Ready condition: assuming it is Ready" in [str(each) for each in cluster.warnings]
    assert told is (status is None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"allocatable": {"cpu": "abc"}}, "Node n1: status.allocatable: cpu: 'abc' is not a Kubernetes quantity"),
        ({"allocatable": {"a/nic": "x"}}, "Node n1: status.allocatable: a/nic: 'x' is not a Kubernetes quantity"),
        ({"allocatable": {"a b": "1"}}, "Node n1: status.allocatable: a b: not the name of a resource"),
        ({"allocatable": {"memory": "-1"}}, "Node n1: status.allocatable: memory: '-1' is negative"),
        (
            {"allocatable": {"pods": True}},
            "Node n1: status.allocatable[...]: expected a number or text, found true or false",
        ),
        ({"taints": [{"key": "a"}]}, "Node n1: spec.taints[0]: the field effect is missing"),
        ({"taints": [{"key": "a b", "effect": "NoSchedule"}]}, "Node n1: spec.taints: 'a b' is not a label key"),
        ({"taints": [{"key": "a", "effect": "\n"}]}, "Node n1: spec.taints: effect '\\n' is not one of NoSchedule, "),
        ({"taints": "none"}, "Node n1: spec.taints: expected a list, found text"),
        ({"unschedulable": "yes"}, "Node n1: spec.unschedulable: expected true or false, found text"),
    ],
)
def test_a_node_with_an_impossible_field_is_refused(tmp_path: Path, change: Object, sentence: str) -> None:
    assert sentence in refusal(tmp_path, node("n1", **change))


def test_pods_on_one_node_add_up_and_those_of_other_nodes_do_not(tmp_path: Path) -> None:
    pods = [
        pod("a", "n1", requests={"cpu": "100m", "memory": "1Mi", "nvidia.com/gpu": 1}),
        pod("b", "n1", namespace="kube-system", requests={"cpu": 0.2}),
        pod("c", "n2", requests={"cpu": 5}),
        pod("d", None, requests={"cpu": 5}),
    ]
    assert requested(tmp_path, *pods) == Resources(300, 2**20, 2, {"nvidia.com/gpu": 1})


def test_pods_that_ended_count_nothing_and_those_being_deleted_still_do(tmp_path: Path) -> None:
    pods = [pod(phase.lower(), "n1", phase=phase, requests={"cpu": 1}) for phase in ("Succeeded", "Failed", "Pending")]
    leaving = pod("leaving", "n1", deleted=True, requests={"cpu": 1})
    assert requested(tmp_path, *pods, leaving) == Resources(2000, 0, 2)


def test_init_containers_sidecars_and_overhead_count_as_the_scheduler_counts(tmp_path: Path) -> None:
    init = [needs("50m") | {"restartPolicy": "Always"}, needs("400m"), needs("300m")]
    containers = [needs("100m"), needs("200m")]
    given = pod("a", "n1", containers=containers, initContainers=init, overhead={"cpu": "10m", "memory": "1Mi"})
    assert requested(tmp_path, given) == Resources(460, 2**20, 1)


def test_a_limit_stands_in_for_a_request_that_is_absent(tmp_path: Path) -> None:
    container = needs("100m", limits={"cpu": "2", "memory": "64Mi"})
    assert requested(tmp_path, pod("a", "n1", containers=[container])) == Resources(100, 64 * 2**20, 1)


@pytest.mark.parametrize(
    ("container", "level", "cpu"),
    [
        (needs("100m"), {"requests": {"cpu": "300m"}}, 300),
        (needs("500m"), {"requests": {"cpu": "300m"}}, 300),
        (needs("100m"), {"limits": {"cpu": "300m"}}, 100),
        (needs(limits={"cpu": "200m"}), {"limits": {"cpu": "300m"}}, 200),
        (needs(), {"limits": {"cpu": "300m"}}, 300),
        (needs("100m"), {"requests": {"memory": "1Mi"}}, 100),
    ],
)
def test_requests_of_the_whole_pod_go_before_those_of_its_containers(
    tmp_path: Path, container: Object, level: Object, cpu: int
) -> None:
    assert requested(tmp_path, pod("a", "n1", containers=[container], resources=level)).cpu == cpu


def test_the_speaker_is_not_among_the_requests_of_its_node(tmp_path: Path) -> None:
    assert requested(tmp_path, speaker_pod("n1"), pod("a", "n1", requests={"cpu": 1})) == Resources(1000, 0, 1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (pod("a", "n1", requests={"cpu": "1 Gi"}), "containers[0].resources: cpu: '1 Gi' is not a Kubernetes quantity"),
        (pod("a", "n1", initContainers=[needs("x")]), "initContainers[0].resources: cpu: 'x' is not"),
        (pod("a", "n1", overhead={"memory": "1KiB"}), "overhead: memory: '1KiB' is not"),
        (pod("a", "n1", resources={"requests": {"cpu": "-1"}}), "resources: cpu: '-1' is negative"),
        (pod("a", "n1", containers={}), "containers: expected a list, found an object"),
        (pod("a", "\n"), "nodeName: '\\n' cannot be the name of a node"),
        (pod("a", "n1", nodeName=1), "nodeName: expected text, found a whole number"),
    ],
)
def test_a_pod_with_an_impossible_field_is_refused(tmp_path: Path, given: Object, field: str) -> None:
    assert f"cluster.json: Pod default/a: spec.{field}" in refusal(tmp_path, node("n1"), given)


def speakers(folder: Path, *objects: Object, daemonset: str | None = None) -> tuple[str, ...]:
    return read(folder, node("n1"), node("n2"), *objects, daemonset=daemonset).today.speakers


def test_speakers_run_where_the_daemonset_s_pods_are(tmp_path: Path) -> None:
    assert speakers(tmp_path, daemonset(), speaker_pod("n2"), pod("a", "n1")) == ("n2",)


def test_a_pod_without_owner_is_a_speaker_by_its_labels(tmp_path: Path) -> None:
    labels = {"app": "openelb", "component": "speaker", "pod-template-generation": "1"}
    assert speakers(tmp_path, daemonset(), speaker_pod("n1", owner=None, labels=labels)) == ("n1",)
    assert speakers(tmp_path, daemonset(scheduled=0), speaker_pod("n1", owner=None, labels={"app": "openelb"})) == ()
    assert speakers(tmp_path, daemonset(scheduled=0), speaker_pod("n1", owner="other", labels=labels)) == ()


def test_pods_of_another_namespace_are_no_speakers_and_count_as_requests(tmp_path: Path) -> None:
    given = speaker_pod("n1", namespace="test", labels={"app": "openelb", "component": "speaker"})
    assert speakers(tmp_path, daemonset(scheduled=0), given) == ()
    assert requested(tmp_path, given).cpu == 100


def test_without_daemonset_the_pods_owner_tells_the_speakers(tmp_path: Path) -> None:
    cluster = read(tmp_path, node("n1"), node("n2"), speaker_pod("n1"), pod("a", "n2"))
    assert (cluster.speaker, cluster.today.speakers) == (None, ("n1",))
    assert any("no speaker DaemonSet in the input" in warning for warning in map(str, cluster.warnings))


@pytest.mark.parametrize("state", [{"phase": "Failed"}, {"phase": "Succeeded"}, {"deleted": True}])
def test_a_speaker_that_ended_or_is_being_deleted_does_not_run(tmp_path: Path, state: dict[str, Any]) -> None:
    given = speaker_pod("n1", **state)
    assert speakers(tmp_path, daemonset(), given, speaker_pod("n2")) == ("n2",)
    assert requested(tmp_path, given) == Resources()


def test_a_failed_speaker_beside_its_successor_is_counted_once(tmp_path: Path) -> None:
    evicted = speaker_pod("n1", phase="Failed")
    evicted["metadata"]["name"] = "evicted"
    assert speakers(tmp_path, daemonset(), evicted, speaker_pod("n1")) == ("n1",)


def test_speakers_on_nodes_that_are_not_in_the_input_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="speakers run on 2 nodes that are not in the input, such as n8"):
        read(tmp_path, node("n1"), daemonset(), speaker_pod("n1"), speaker_pod("n8"), speaker_pod("n9"))


def selected(folder: Path, *nodes: Object, **pod_spec: Any) -> tuple[str, ...]:
    """The nodes on which the DaemonSet itself keeps its pods; no pods are given."""
    cluster = read(folder, *nodes, daemonset(**pod_spec))
    assert any("no Pods in the input" in warning for warning in map(str, cluster.warnings))
    return cluster.today.speakers


LINUX, GPU = node("n1", {"os": "linux"}), node("n2", {"gpu": "12"}, taints=[{"key": "gpu", "effect": "NoSchedule"}])


def affinity(*terms: Object) -> Object:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def test_without_pods_the_daemonset_s_own_rules_tell_the_speakers(tmp_path: Path) -> None:
    cordoned = node(
        "n3", unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    )
    assert selected(tmp_path, LINUX, GPU, cordoned) == ("n1", "n3")
    assert selected(tmp_path, LINUX, GPU, tolerations=[{"operator": "Exists"}]) == ("n1", "n2")
    assert selected(tmp_path, LINUX, GPU, nodeSelector={"os": "linux"}) == ("n1",)
    terms = [{"matchExpressions": [{"key": "gpu", "operator": "Gt", "values": ["8"]}]}, {}]
    assert selected(tmp_path, LINUX, GPU, tolerations=[{"key": "gpu"}], affinity=affinity(*terms)) == ("n2",)
    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    assert selected(tmp_path, LINUX, GPU, affinity=affinity(fields)) == ("n1",)
    assert selected(tmp_path, LINUX, affinity=affinity()) == ()
    assert selected(tmp_path, LINUX, affinity={"nodeAffinity": {}}) == ("n1",)


def test_without_host_network_an_unavailable_network_keeps_speakers_off(tmp_path: Path) -> None:
    taint = {"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}
    assert selected(tmp_path, node("n1", taints=[taint])) == ("n1",)
    assert selected(tmp_path, node("n1", taints=[taint]), hostNetwork=False) == ()


def test_without_pods_and_daemonset_no_speaker_is_known(tmp_path: Path) -> None:
    assert speakers(tmp_path) == ()


def test_the_speaker_daemonset_is_read(tmp_path: Path) -> None:
    tolerations = [{"key": "a", "operator": "Exists"}, {"key": "b", "value": "c", "effect": "NoExecute"}, {}]
    terms = [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]}]
    given = daemonset(nodeSelector={"os": "linux"}, tolerations=tolerations, affinity=affinity(*terms))
    found = read(tmp_path, LINUX, given).speaker
    assert found is not None
    assert (found.namespace, found.name, found.host_network) == (SYSTEM, SPEAKER, True)
    assert found.tolerations == (Toleration("a", "Exists"), Toleration("b", "Equal", "c", "NoExecute"), Toleration())
    assert found.affinity == (NodeSelectorTerm((Requirement("rack", "In", ("r1",)),)),)
    assert found.requests == Resources(100, 100 * 2**20, 1)
    assert found.manifest == given


def test_of_two_daemonsets_the_speaker_is_chosen_by_name(tmp_path: Path) -> None:
    both = [daemonset(), daemonset("own", "kube-system"), speaker_pod("n1")]
    both.append(pod("own", "n2", namespace="kube-system", owner="own"))
    assert speakers(tmp_path, *both) == ("n1",)
    assert speakers(tmp_path, *both, daemonset="own") == ("n2",)
    assert speakers(tmp_path, *both, daemonset="kube-system/own") == ("n2",)
    assert len(read(tmp_path, node("n1"), *both).daemonsets) == 2


def test_two_daemonsets_of_the_speaker_s_name_need_the_option(tmp_path: Path) -> None:
    both = [daemonset(), daemonset(namespace="test"), speaker_pod("n1"), speaker_pod("n2", namespace="test")]
    sentence = refusal(tmp_path, node("n1"), *both)
    assert sentence == (
        "several DaemonSets may be that of OpenELB's speakers (openelb-system/openelb-speaker by its labels, "
        "test/openelb-speaker by its labels); say which with --daemonset NAMESPACE/NAME"
    )
    sentence = refusal(tmp_path, node("n1"), *both, daemonset="openelb-speaker")
    assert sentence.startswith("several DaemonSets are named openelb-speaker (openelb-system/openelb-speaker, test/")
    assert speakers(tmp_path, *both, daemonset="test/openelb-speaker") == ("n2",)


def test_a_daemonset_asked_for_must_be_there(tmp_path: Path) -> None:
    sentence = refusal(tmp_path, node("n1"), daemonset(), daemonset="default/openelb-speaker")
    assert sentence.endswith("no such DaemonSet in the input (there are: openelb-system/openelb-speaker)")
    assert refusal(tmp_path, node("n1"), daemonset="x").endswith("(there are: none)")


def taken_as_selected(cluster: Cluster) -> bool:
    return any("none of its pods is in the input" in told for told in map(str, cluster.warnings))


def test_pods_without_any_of_the_daemonset_are_taken_for_a_part_of_the_dump(tmp_path: Path) -> None:
    cluster = read(tmp_path, node("n1"), daemonset(scheduled=3), pod("a", "n1"))
    assert taken_as_selected(cluster)
    assert cluster.today.speakers == ("n1",)
    assert not taken_as_selected(read(tmp_path, node("n1"), daemonset(scheduled=3), speaker_pod("n1")))
    assert not taken_as_selected(read(tmp_path, node("n1"), daemonset(scheduled=3)))


def test_a_daemonset_whose_status_counts_no_pod_runs_nowhere(tmp_path: Path) -> None:
    cluster = read(tmp_path, node("n1"), daemonset(scheduled=0), pod("a", "n1"))
    assert not taken_as_selected(cluster)
    assert cluster.today.speakers == ()


def test_amounts_that_a_node_does_not_say_are_told(tmp_path: Path) -> None:
    silent = node("n1") | {"status": {"allocatable": {"memory": "1Gi", "pods": "10"}}}
    warnings = read(tmp_path, silent, daemonset()).warnings
    assert any("1 of 1 nodes does not say how much CPU" in warning for warning in map(str, warnings))


def test_members_of_a_typed_list_become_whole_manifests(tmp_path: Path) -> None:
    bare = {key: value for key, value in daemonset(namespace="default").items() if key not in ("kind", "apiVersion")}
    del bare["metadata"]["namespace"]
    listed = {"apiVersion": "apps/v1", "kind": "DaemonSetList", "items": [bare]}
    speaker = read(tmp_path, node("n1"), listed).speaker
    assert speaker is not None
    assert speaker.manifest["kind"] == "DaemonSet"
    assert speaker.manifest["apiVersion"] == "apps/v1"
    assert speaker.manifest["metadata"]["namespace"] == "default"


EXPRESSION = {"key": "rack", "operator": "Near", "values": ["r1"]}


@pytest.mark.parametrize(
    ("pod_spec", "sentence"),
    [
        (
            {"tolerations": [{"key": "a", "operator": "Near"}]},
            "tolerations: operator 'Near' is not one of Equal, Exists, Gt, Lt",
        ),
        ({"tolerations": [{"operator": "Gt", "value": "1"}]}, "tolerations: operator Gt needs a key"),
        (
            {"tolerations": [{"key": "a", "operator": "Lt", "value": "x"}]},
            "tolerations: operator Lt compares integers",
        ),
        ({"tolerations": [{"key": "a", "effect": "Never"}]}, "tolerations: effect 'Never' is not one of NoSchedule, "),
        ({"affinity": affinity({"matchExpressions": [EXPRESSION]})}, "affinity: operator 'Near' is not one of"),
        ({"affinity": affinity({"matchFields": [EXPRESSION]})}, "affinity: field 'rack' is not metadata.name"),
        ({"nodeSelector": {"rack": "r\n1"}}, "nodeSelector: 'r\\n1' is not a label value"),
        ({"nodeSelector": ["rack"]}, "nodeSelector: expected an object, found a list"),
        ({"containers": [{"ports": [{"hostPort": 70000}]}]}, "containers[0].ports: port 70000 is not from 1 to 65535"),
        ({"containers": [needs("much")]}, "containers[0].resources: cpu: 'much' is not a Kubernetes quantity"),
    ],
)
def test_a_daemonset_with_an_impossible_field_is_refused(tmp_path: Path, pod_spec: Object, sentence: str) -> None:
    place = f"cluster.json: DaemonSet {SYSTEM}/{SPEAKER}: spec.template.spec."
    assert refusal(tmp_path, node("n1"), daemonset(**pod_spec)).startswith(place + sentence)

"""The speaker DaemonSet is known by what it is; what cannot be placed is recognised and named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.model import Cluster
from tests.objects import (
    SPEAKER,
    SYSTEM,
    Object,
    conf,
    daemonset,
    list_of,
    node,
    peer,
    pod,
    read,
    refusal,
    speaker_pod,
    write,
)

LABELS = {"app": "openelb", "component": "speaker"}
CHART = {"app.kubernetes.io/name": "openelb", "app.kubernetes.io/component": "edge-openelb-speaker"}
NODES = (node("n1"), node("n2"))
OURS = (peer("leaf", "10.0.0.1"), conf())
NOT_YET = "not supported yet; supported: OpenELB"
OUTDATED = (
    "is of OpenELB before 0.6, which has no DaemonSet of speakers: its manager's pods hold the BGP sessions, "
    "wherever their Deployment puts them, so labels on nodes would move nothing; supported: OpenELB 0.6 with its "
    "speaker DaemonSet"
)


def workload(
    name: str,
    namespace: str = "lb",
    kind: str = "DaemonSet",
    labels: Mapping[str, str] | None = None,
    selector: Mapping[str, str] | None = None,
    template: Mapping[str, str] | None = None,
    image: str = "example/thing:v1",
) -> Object:
    """A workload with no more signs than are given."""
    spec: Object = {"containers": [{"name": "main", "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": {
            "selector": {"matchLabels": dict(selector or {"x": name})},
            "template": {"metadata": {"labels": dict(template or {"x": name})}, "spec": spec},
        },
    }


def custom(kind: str, group: str, name: str, namespace: str = "", version: str = "v1") -> Object:
    """An object of somebody's own kind."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata, "spec": {}}


METALLB = workload("speaker", "metallb-system", labels={"app": "metallb", "component": "speaker"})
BGP_PEERS = [custom("BGPPeer", "metallb.io", name, "metallb-system", "v1beta2") for name in ("tor-a", "tor-b")]


def rules(cluster: Cluster) -> list[str]:
    return [each.rule for each in cluster.warnings]


@pytest.mark.parametrize(
    "found",
    [
        workload("a", labels=LABELS),
        workload("a", selector=LABELS),
        workload("a", template={**LABELS, "more": "x"}),
        workload("a", labels=CHART),
        workload("a", template=CHART),
        workload("a", image="kubesphere/openelb-speaker"),
        workload("a", image="hub.example.com:5000/mirror/openelb-speaker:v0.6.0@sha256:0123"),
        workload("a", image="openelb-speaker@sha256:0123"),
        workload("openelb-speaker"),
        workload("edge-openelb-speaker"),
        workload("my-openelb-speaker"),
        workload("openelb-prod-speaker"),
    ],
)
def test_any_one_sign_tells_the_speaker_daemonset(tmp_path: Path, found: Object) -> None:
    name, others = found["metadata"]["name"], (workload("other"), workload("openelb-keepalived"))
    cluster = read(tmp_path, *NODES, found, *others, pod("s", "n2", namespace="lb", owner=name))
    assert cluster.speaker is not None
    assert (cluster.product, cluster.speaker.name) == ("openelb", name)
    assert cluster.today.speakers == ("n2",)
    assert "product-assumed" not in rules(cluster)


@pytest.mark.parametrize(
    "found",
    [
        workload("a", labels={"app": "openelb", "component": "controller"}),
        # Half of the labels on the object, half on its pods.
        workload("a", labels={"app": "openelb"}, template={"component": "speaker"}),
        workload("openelb-speaker-exporter", image="example/openelb-speaker-exporter:v1"),
        workload("a", image="example/openelb-speaker/exporter:v1"),
        workload("speaker"),
    ],
)
def test_what_only_looks_like_it_is_not(tmp_path: Path, found: Object) -> None:
    cluster = read(tmp_path, *NODES, *OURS, found)
    assert cluster.speaker is None
    assert "no-speaker-daemonset" in rules(cluster)


def test_labels_and_image_speak_louder_than_a_name(tmp_path: Path) -> None:
    found = workload("edge-metallb-speaker", image="kubesphere/openelb-speaker:v0.6.0")
    cluster = read(tmp_path, *NODES, found)
    assert cluster.speaker is not None


def test_several_candidates_are_listed_and_one_can_be_named(tmp_path: Path) -> None:
    found = (workload("a", labels=LABELS), workload("b", image="x/openelb-speaker"), workload("c"))
    assert refusal(tmp_path, *NODES, *found) == (
        "several DaemonSets may be that of OpenELB's speakers (lb/a by its labels, lb/b by its image); say which with "
        "--daemonset NAMESPACE/NAME"
    )
    for name in ("a", "lb/b", "c"):
        cluster = read(tmp_path, *NODES, *found, daemonset=name)
        assert cluster.speaker is not None
        assert cluster.speaker.name == name[-1]


def test_a_daemonset_of_another_product_cannot_be_named(tmp_path: Path) -> None:
    calico = workload("calico-node", "kube-system", image="calico/node:v3")
    for each, whose in ((METALLB, "MetalLB, by its labels"), (calico, "Calico, by its image")):
        metadata = each["metadata"]
        place = f"{metadata['namespace']}/{metadata['name']}"
        assert refusal(tmp_path, *NODES, *OURS, each, daemonset=place) == (
            f"--daemonset {place}: cluster.json: DaemonSet {place} is that of {whose}, and not of OpenELB; "
            "supported: OpenELB"
        )


def test_pods_tell_the_speakers_where_their_daemonset_is_not_in_the_input(tmp_path: Path) -> None:
    by_name = pod("s", "n1", namespace="lb", owner="edge-openelb-speaker")
    by_labels = pod("s", "n1", namespace="lb", owner="custom", labels=LABELS)
    neither = pod("s", "n1", namespace="lb", owner="custom")
    no_owner = pod("s", "n1", namespace="lb", labels=LABELS)
    for each, running in ((by_name, ("n1",)), (by_labels, ("n1",)), (neither, ()), (no_owner, ())):
        cluster = read(tmp_path, *NODES, *OURS, each)
        assert cluster.today.speakers == running


def owned(name: str, owner: str, labels: Mapping[str, str] | None = None) -> Object:
    """A pod of a Deployment."""
    made = pod(name, "n1", namespace=SYSTEM, labels=labels)
    made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner}]
    return made


@pytest.mark.parametrize(
    "found",
    [
        workload("openelb-manager", SYSTEM, "Deployment"),
        workload("edge-openelb-manager", SYSTEM, "Deployment"),
        workload("lb", SYSTEM, "Deployment", template={"control-plane": "openelb-manager"}),
        workload("lb", SYSTEM, "Deployment", image="kubesphere/openelb:v0.5.1"),
        owned("a", "openelb-manager-7d4f9"),
        pod("a", "n1", namespace=SYSTEM, labels={"app": "openelb-manager"}),
    ],
)
@pytest.mark.parametrize("objects", [OURS, ()])
def test_a_release_without_speakers_is_refused(tmp_path: Path, found: Object, objects: tuple[Object, ...]) -> None:
    place = f"{found['kind']} {found['metadata']['namespace']}/{found['metadata']['name']}"
    assert refusal(tmp_path, *NODES, *objects, found) == f"cluster.json: {place} {OUTDATED}"


@pytest.mark.parametrize(
    "found",
    [
        (workload("openelb-controller", SYSTEM, "Deployment", labels={"app": "openelb", "component": "controller"}),),
        (workload("openelb-manager", SYSTEM, "Deployment"), workload(SPEAKER, SYSTEM)),
        (owned("a", "openelb-manager-7d4f9"), speaker_pod("n1")),
        (workload("coredns", "kube-system", "Deployment"), owned("a", "coredns-7d4f9")),
    ],
)
def test_a_release_with_speakers_is_not(tmp_path: Path, found: tuple[Object, ...]) -> None:
    assert read(tmp_path, *NODES, *OURS, *found).product == "openelb"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (BGP_PEERS, "found 2 metallb.io BGPPeers (such as metallb-system/tor-a): MetalLB is"),
        ([METALLB], "found DaemonSet metallb-system/speaker (by its labels): MetalLB is"),
        ([custom("IPAddressPool", "metallb.io", "p", "lb")], "found 1 metallb.io IPAddressPool (lb/p): MetalLB is"),
        (
            [custom("FRRConfiguration", "frrk8s.metallb.io", "f", "lb")],
            "found 1 frrk8s.metallb.io FRRConfiguration (lb/f): FRR-K8s is",
        ),
        ([workload("frr-k8s-daemon")], "found DaemonSet lb/frr-k8s-daemon (by its name): FRR-K8s is"),
        (
            [custom("CiliumBGPPeeringPolicy", "cilium.io", name, version="v2alpha1") for name in ("p", "q")],
            "found 2 cilium.io CiliumBGPPeeringPolicies (such as p): Cilium is",
        ),
        ([custom("BGPPeer", "crd.projectcalico.org", "p")], "found 1 crd.projectcalico.org BGPPeer (p): Calico is"),
        (
            [custom("BGPConfiguration", "projectcalico.org", "default", version="v3")],
            "found 1 projectcalico.org BGPConfiguration (default): Calico is",
        ),
        (
            [*BGP_PEERS, custom("FRRNodeState", "frrk8s.metallb.io", "n1")],
            "found 2 metallb.io BGPPeers (such as metallb-system/tor-a) and 1 frrk8s.metallb.io FRRNodeState (n1): "
            "MetalLB and FRR-K8s are",
        ),
    ],
)
@pytest.mark.parametrize("asked", ["", "openelb"])
def test_where_only_another_product_is_it_is_named(tmp_path: Path, found: list[Object], told: str, asked: str) -> None:
    path = str(write(tmp_path / "c.json", list_of(*NODES, *found)))
    for expected in ("", "openelb"):
        with pytest.raises(InputError) as caught:
            read_cluster([path], product=asked, expected=expected)
        assert str(caught.value) == f"{path}: {told} {NOT_YET}"


def test_pods_alone_tell_another_product_too(tmp_path: Path) -> None:
    found = pod("s-1", "n1", namespace="metallb-system", owner="speaker")
    assert refusal(tmp_path, *NODES, found) == f"cluster.json: Pod metallb-system/s-1 is of MetalLB, which is {NOT_YET}"
    assert read(tmp_path, *NODES, *OURS, found).product == "openelb"


NETWORKS = [
    workload("cilium", "kube-system", labels={"k8s-app": "cilium"}, image="quay.io/cilium/cilium:v1.17"),
    workload("calico-node", "kube-system", image="docker.io/calico/node:v3"),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_network_of_a_cluster_says_nothing_of_bgp(tmp_path: Path, network: Object) -> None:
    (told,) = [each for each in read(tmp_path, *NODES, network).warnings if each.rule == "product-assumed"]
    title, name = ("Cilium", "cilium") if network is NETWORKS[0] else ("Calico", "calico-node")
    assert told.sentence.endswith(f"; of other products there are: {title} (DaemonSet kube-system/{name})")
    cluster = read(tmp_path, *NODES, network, *OURS, workload(SPEAKER, SYSTEM))
    assert (cluster.product, {*rules(cluster)}) == ("openelb", {"no-pods", "node-without-allocatable"})


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([METALLB, *BGP_PEERS], "MetalLB (metallb.io BGPPeer metallb-system/tor-a and 1 more)"),
        ([METALLB], "MetalLB (DaemonSet metallb-system/speaker)"),
        (
            [NETWORKS[0], custom("CiliumBGPClusterConfig", "cilium.io", "c", version="v2")],
            "Cilium (cilium.io CiliumBGPClusterConfig c)",
        ),
        ([custom("L2Advertisement", "metallb.io", "a", "lb")], ""),
    ],
)
def test_speakers_of_two_products_are_reported_once(tmp_path: Path, found: list[Object], told: str) -> None:
    cluster = read(tmp_path, *NODES, *OURS, workload(SPEAKER, SYSTEM), *found)
    sentences = [each.sentence for each in cluster.warnings if each.rule == "other-speakers"]
    assert [each.startswith(f"besides OpenELB there is {told}") for each in sentences] == [True] * bool(told)


def test_a_daemonset_of_the_user_s_own_serves_where_all_is_said(tmp_path: Path) -> None:
    path = str(write(tmp_path / "c.json", list_of(*NODES, *BGP_PEERS, workload("own"))))
    given: dict[str, Any] = {"daemonset": "lb/own"}
    with pytest.raises(InputError, match=r"MetalLB is not supported yet"):
        read_cluster([path], **given)
    speaker = read_cluster([path], **given, product="openelb").speaker
    assert speaker is not None
    assert speaker.name == "own"


ODD: list[Object] = [
    {"spec": {}},
    {"spec": None},
    {"spec": 5},
    {"spec": {"template": None}},
    {"spec": {"template": {}}},
    {"spec": {"template": []}},
    {"spec": {"template": {"spec": {"tolerations": [None]}}}},
    {"spec": {"selector": {"matchLabels": {"app": 5}}, "template": {"spec": {}}}},
    {"metadata": {"name": "odd", "namespace": "other", "labels": {"app": 5}}},
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_daemonset_of_somebody_else_is_passed_over(tmp_path: Path, odd: Object) -> None:
    ours, others = daemonset(), [daemonset("odd", "other") | odd, daemonset("fine", "other")]
    cluster = read(tmp_path, node("n1"), ours, *others)
    assert [each["metadata"]["name"] for each in cluster.daemonsets] == [SPEAKER, "fine"]
    assert cluster.speaker is not None
    (told,) = (str(each) for each in cluster.warnings if each.rule == "object-odd")
    assert "DaemonSet other/odd: " in told
    assert told.isprintable()


def test_odd_daemonsets_are_one_finding(tmp_path: Path) -> None:
    odd = [daemonset(f"odd-{number}", "other") | {"spec": {}} for number in range(3)]
    cluster = read(tmp_path, node("n1"), daemonset(), *odd)
    (told,) = (str(each) for each in cluster.warnings if each.rule == "object-odd")
    assert ", and 2 more DaemonSets like it: passed over" in told


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"spec": {}}, "spec"),
        ({"metadata": {"name": SPEAKER, "namespace": SYSTEM, "annotations": []}}, "metadata.annotations"),
        ({"spec": daemonset()["spec"] | {"updateStrategy": "OnDelete"}}, "spec.updateStrategy"),
        ({"spec": daemonset()["spec"] | {"updateStrategy": {"rollingUpdate": 1}}}, "spec.updateStrategy.rollingUpdate"),
    ],
)
def test_an_odd_field_of_the_speakers_daemonset_is_named(tmp_path: Path, part: Object, field: str) -> None:
    assert f"DaemonSet {SYSTEM}/{SPEAKER}: {field}" in refusal(tmp_path, node("n1"), daemonset() | part)


def test_a_daemonset_that_is_being_deleted_is_told(tmp_path: Path) -> None:
    given = daemonset()
    assert not [each for each in read(tmp_path, node("n1"), given).warnings if each.rule == "daemonset-deleting"]
    given["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00Z"
    (told,) = (each for each in read(tmp_path, node("n1"), given).warnings if each.rule == "daemonset-deleting")
    assert told.object == f"DaemonSet {SYSTEM}/{SPEAKER}"


def test_the_manager_of_an_earlier_release_beside_the_speakers_is_told(tmp_path: Path) -> None:
    for name, number in (("openelb-manager", 1), ("openelb-controller", 0)):
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SYSTEM}}
        cluster = read(tmp_path, node("n1"), daemonset(), deployment)
        assert [each.rule for each in cluster.warnings].count("outdated-speakers") == number

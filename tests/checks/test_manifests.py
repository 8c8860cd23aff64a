"""The manifests give exactly the placement, or the difference is told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from optimizer.checks.manifests import check_manifests
from tests.checks.test_placement import CLUSTER, L2, LABEL, POLICY, VALUE, leaf, place

WITH_LABEL = {"labels": {LABEL: VALUE}}
SELECTOR = {"matchExpressions": [{"key": LABEL, "operator": "In", "values": [VALUE]}]}
OBJECTS: dict[str, Any] = {
    "nodes": {"n1": {"metadata": WITH_LABEL}, "n2": {"metadata": WITH_LABEL}, "n3": {}, "n4": {"metadata": {}}},
    "daemonset": {"spec": {"template": {"spec": {"nodeSelector": {LABEL: VALUE}, "hostNetwork": True}}}},
    "peers": [
        {"metadata": {"name": "p1"}, "spec": {"conf": {"neighborAddress": "10.0.0.1"}}},
        {"metadata": {"name": "p2"}, "spec": {"conf": {"neighborAddress": "10.0.0.2"}, "nodeSelector": SELECTOR}},
    ],
}
POD, P2 = ("daemonset", "spec", "template", "spec"), ("peers", 1, "spec")
BY_NAME = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1", "n2"]}]}


def affinity(*terms: Any) -> dict[str, Any]:
    """The affinity of a pod template."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*terms]}}}


NO_N2 = ["no session n2 - leaf-1", "no session n2 - leaf-2", "no speaker on node n2"]
N3 = ["an unexpected session n3 - leaf-1", "an unexpected session n3 - leaf-2", "an unexpected speaker on node n3"]
NO_2 = ["no session n1 - leaf-2", "no session n2 - leaf-2"]
ELSEWHERE = ["an unexpected session n1 - 10.0.0.9", "an unexpected session n2 - 10.0.0.9"]
MANIFESTS: dict[str, tuple[tuple[str | int, ...], object, list[str]]] = {
    "right": (("nodes", "n3", "metadata"), {"labels": {"a": "b"}}, []),
    "right by affinity": (POD, {"affinity": affinity(BY_NAME), "tolerations": [{"key": "x", "value": None}]}, []),
    "one label short": (("nodes", "n2"), {"metadata": {"labels": {LABEL: "no"}}}, NO_N2),
    "one label more": (("nodes", "n3", "metadata"), WITH_LABEL, N3),
    "a taint": (("nodes", "n2", "spec"), {"taints": [{"key": "db", "effect": "NoExecute"}]}, NO_N2),
    "a tolerated taint": (("nodes", "n2", "spec"), {"taints": [{"key": "db", "effect": "PreferNoSchedule"}]}, []),
    "selector and affinity": ((*POD, "affinity"), affinity({**SELECTOR, **BY_NAME}), []),
    "no selector": ((*P2, "nodeSelector"), None, []),
    "a narrow selector": ((*P2, "nodeSelector"), {"matchLabels": {LABEL: "no"}}, NO_2),
    "another address": ((*P2, "conf", "neighborAddress"), "10.0.0.9", NO_2 + ELSEWHERE),
    "one address twice": (
        (*P2, "conf", "neighborAddress"),
        "10.0.0.1",
        [*NO_2, "an unexpected second BgpPeer of address 10.0.0.1: p2"],
    ),
    "one address twice, in another notation": (
        (*P2, "conf", "neighborAddress"),
        "::FFFF:a00:1",
        [*NO_2, "an unexpected second BgpPeer of address 10.0.0.1: p2"],
    ),
    "an address in another notation": ((*P2, "conf", "neighborAddress"), "::ffff:10.0.0.2", []),
    "no address": ((*P2, "conf", "neighborAddress"), "10.0.0.2/24", NO_2),
    "administratively down": ((*P2, "conf", "adminDown"), True, NO_2),
    "not administratively down": ((*P2, "conf", "adminDown"), False, []),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_give_the_placement(case: str) -> None:
    (*path, last), value, parts = MANIFESTS[case]
    target: Any = (objects := copy.deepcopy(OBJECTS))
    for key in path:
        target = target[key]
    target[last] = value
    found = check_manifests(CLUSTER, POLICY, place(CLUSTER, POLICY, "n1 n2"), **objects)
    assert [*found] == [f"the manifests give {part}" for part in parts]
    in_layer2 = check_manifests(CLUSTER, L2, place(CLUSTER, L2, "n1 n2"), **objects)
    assert [*in_layer2] == [sentence for sentence in found if "speaker on" in sentence]


def test_a_toleration_that_compares_is_judged_as_kubernetes_does() -> None:
    objects = copy.deepcopy(OBJECTS)
    for name, value in (("n1", "950"), ("n2", "800")):
        objects["nodes"][name]["spec"] = {"taints": [{"key": "sla", "effect": "NoSchedule", "value": value}]}
    pod = objects["daemonset"]["spec"]["template"]["spec"]
    for operator, value, missing in (("Gt", "900", "n2"), ("Lt", "900", "n1"), ("Gt", "799", "")):
        pod["tolerations"] = [{"key": "sla", "operator": operator, "value": value}]
        found = check_manifests(CLUSTER, L2, place(CLUSTER, L2, "n1 n2"), **objects)
        assert found == ((f"the manifests give no speaker on node {missing}",) if missing else ())


def test_a_router_is_found_by_its_address_however_written_or_by_its_peer() -> None:
    objects = copy.deepcopy(OBJECTS)
    objects["peers"][0]["spec"]["conf"]["neighborAddress"] = "FD00:0::1"
    for cluster in (leaf(address="fd00::1"), leaf(address=None, peer="p1")):
        assert check_manifests(cluster, POLICY, place(cluster, POLICY, "n1 n2"), **objects) == ()

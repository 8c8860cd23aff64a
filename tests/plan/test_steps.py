from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.kube.changes import Label, Objects, Patch, Restart, apply_changes
from optimizer.model import Cluster, Placement, Policy, Router, SpeakerNeeds, Taint
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Step
from optimizer.plan.template import REQUIRED, STYLES, Style, wished_pod_spec
from optimizer.speakers.openelb import peers as openelb
from tests.exports.export_inputs import (
    DAEMONSET,
    KEY,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    node,
    peer,
    placed,
    selector,
    two_racks,
)

LABEL = (KEY, VALUE)
REQUIREMENT = {"key": KEY, "operator": "In", "values": [VALUE]}
LINUX = {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}
TOLERATION = {"key": KEY, "operator": "Equal", "value": VALUE, "effect": "NoSchedule"}
FOREIGN = {"key": "CriticalAddonsOnly", "operator": "Exists"}
POD_ANTI_AFFINITY = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


def plan(
    found: Cluster, placement: Placement, style: Style = "node-selector", policy: Policy = POLICY
) -> tuple[Step, ...]:
    return make_plan(found, policy, placement, style).steps


def after(found: Cluster, steps: Iterable[Step]) -> Objects:
    return apply_changes(objects_of(found), (change for step in steps for change in step.changes))


def again(objects: Objects, placement: Placement, routers: Iterable[Router]) -> Cluster:
    """What is read from the objects once the placement runs."""
    nodes = []
    for (kind, _, name), each in objects.items():
        if kind == "Node":
            taints = [Taint(taint["key"], taint["effect"], taint.get("value", "")) for taint in each["spec"]["taints"]]
            nodes.append(replace(node(name), labels=each["metadata"]["labels"], taints=tuple(taints)))
    peers = [
        peer(name, each["spec"]["conf"]["neighborAddress"], each["spec"].get("nodeSelector"))
        for (kind, _, name), each in objects.items()
        if kind == "BgpPeer"
    ]
    by_address = {each.address: each.name for each in peers}
    return cluster(
        nodes,
        [replace(each, peer=by_address.get(each.address or "")) for each in routers],
        peers,
        pod=objects[DAEMONSET]["spec"]["template"]["spec"],
        running=placement.speakers,
    )


# The DaemonSet's template by style.


def test_node_selector_keeps_foreign_keys() -> None:
    assert wished_pod_spec({"nodeSelector": {"os": "linux"}}, LABEL, "node-selector") == {
        "nodeSelector": {"os": "linux", KEY: VALUE}
    }


def test_affinity_is_added_to_every_term_that_can_match() -> None:
    pod = {"affinity": required({"matchExpressions": [LINUX]}, {"matchFields": [LINUX]}, {}) | POD_ANTI_AFFINITY}
    assert wished_pod_spec(pod, LABEL, "affinity")["affinity"] == POD_ANTI_AFFINITY | required(
        {"matchExpressions": [LINUX, REQUIREMENT]}, {"matchFields": [LINUX], "matchExpressions": [REQUIREMENT]}, {}
    )


def test_affinity_makes_a_term_where_there_is_none() -> None:
    assert wished_pod_spec({}, LABEL, "affinity") == {"affinity": required({"matchExpressions": [REQUIREMENT]})}


def test_affinity_takes_the_place_of_the_requirement_for_an_earlier_value() -> None:
    pod = {"affinity": required({"matchExpressions": [REQUIREMENT | {"values": ["old"]}, LINUX]})}
    assert wished_pod_spec(pod, LABEL, "affinity")["affinity"] == required({"matchExpressions": [LINUX, REQUIREMENT]})


def test_taints_add_node_selector_and_toleration() -> None:
    assert wished_pod_spec({"tolerations": [FOREIGN]}, LABEL, "taints") == {
        "nodeSelector": {KEY: VALUE},
        "tolerations": [FOREIGN, TOLERATION],
    }


@pytest.mark.parametrize("first", STYLES)
@pytest.mark.parametrize("second", STYLES)
@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"nodeSelector": {"os": "linux"}, "tolerations": [FOREIGN], "affinity": POD_ANTI_AFFINITY},
        {"affinity": required({"matchExpressions": [LINUX]}, {"matchExpressions": [LINUX], "matchFields": [LINUX]})},
    ],
)
def test_a_style_leaves_nothing_of_the_one_before(first: Style, second: Style, pod: dict[str, Any]) -> None:
    earlier = wished_pod_spec(pod, LABEL, first)
    wished, direct = wished_pod_spec(earlier, LABEL, second), wished_pod_spec(pod, LABEL, second)
    assert {name: value for name, value in wished.items() if value} == {
        n: value for n, value in direct.items() if value
    }
    assert wished_pod_spec(wished, LABEL, second) == wished


def test_an_alternative_term_that_does_not_ask_for_the_label_is_left_alone() -> None:
    affinity = required({"matchExpressions": [REQUIREMENT]}, {"matchExpressions": [LINUX]})
    assert wished_pod_spec({"affinity": affinity}, LABEL, "node-selector")["affinity"] == affinity


def test_only_the_node_selector_is_a_merge_patch_by_key() -> None:
    (change,) = next(step for step in plan(two_racks(), TWO_RACKS) if step.name == "daemonset").changes
    assert isinstance(change, Patch)
    assert (change.type, change.body) == ("merge", {"spec": {"template": {"spec": {"nodeSelector": {KEY: VALUE}}}}})


def test_a_style_is_left_in_one_patch_so_that_speakers_restart_once() -> None:
    found = two_racks()
    tainted = again(after(found, plan(found, TWO_RACKS, "taints")), TWO_RACKS, found.routers)
    steps = plan(tainted, TWO_RACKS, "affinity")
    assert names(steps) == held("untaint-speakers")
    (change,) = steps[2].changes
    assert isinstance(change, Patch)
    assert [operation["op"] for operation in change.body] == ["test", "add", "test", "remove", "test", "remove"]


# The order.


def names(steps: Iterable[Step]) -> list[tuple[str, str]]:
    return [(step.name, step.needs) for step in steps]


def held(*opening: str, closing: Iterable[str] = (), wait: str = "established") -> list[tuple[str, str]]:
    """The steps around an edit of the template: what stays has restarted before the first of those that wait."""
    first, *rest = (*closing, "resume-restarts")
    before = (*opening, "hold-restarts", "daemonset", "restart-speakers")
    return [*((name, "") for name in before), (first, wait), *((name, "") for name in rest)]


@pytest.mark.parametrize("running", [["a1", "a2", "b1", "b2", "c1"], ["a1", "c1", "b1", "b2"]])
def test_the_others_stop_when_the_chosen_speakers_run_and_have_restarted(running: list[str]) -> None:
    steps = plan(two_racks(running=running), TWO_RACKS)
    assert names(steps) == held("label-speakers", closing=["unlabel-nodes"])
    # Those that leave are labelled as well, so the edit of the template stops nobody.
    assert steps[0].changes == (Label(KEY, VALUE, ("a1", "a2", "b1", "b2", "c1")),)
    assert steps[4].changes == (Label(KEY, None, ("c1",)),)
    # On the way back the wait comes before anything is let go: the DaemonSet, and then the labels.
    assert [(step.name, step.needs_back) for step in steps if step.needs_back] == [("hold-restarts", "established")]


def test_on_reoptimization_only_labels_change() -> None:
    found = two_racks()
    first = again(after(found, plan(found, TWO_RACKS)), TWO_RACKS, found.routers)
    moved = placed(("a1", "leaf-1"), ("c1", "leaf-1"), ("b1", "leaf-2"), ("b2", "leaf-2"))
    steps = plan(first, moved)
    assert names(steps) == [("label-speakers", ""), ("unlabel-nodes", "established")]
    assert (steps[0].changes, steps[1].changes) == ((Label(KEY, VALUE, ("c1",)),), (Label(KEY, None, ("a2",)),))
    assert (steps[0].needs_back, steps[1].needs_back) == ("established", "")


def test_a_stale_label_goes_before_the_daemonset_asks_for_it() -> None:
    nodes = [node("a1"), node("a2"), node("a3", chosen=True)]
    steps = plan(cluster(nodes, running=["a1", "a2"]), placed(speakers=["a1", "a2"]))
    assert names(steps) == held("label-speakers")
    assert steps[0].changes == (Label(KEY, VALUE, ("a1", "a2")), Label(KEY, None, ("a3",)))


def test_the_taint_comes_after_the_toleration_and_goes_before_it() -> None:
    found = two_racks()
    steps = plan(found, TWO_RACKS, "taints")
    assert names(steps) == held("label-speakers", closing=["unlabel-nodes", "taint-nodes"])
    back = plan(again(after(found, steps), TWO_RACKS, found.routers), TWO_RACKS)
    assert names(back) == held("untaint-speakers")


def test_layer2_waits_for_speakers_alone_and_leaves_bgppeers() -> None:
    found = two_racks(running=["a1"])
    steps = plan(found, placed(speakers=["a1", "b1"]), policy=Policy(mode="layer2"))
    assert names(steps) == held("label-speakers", wait="running")
    assert steps[-2].changes == (Restart((("a1",), ("b1",))),)
    found = two_racks(running=["a1", "a2"])
    steps = plan(found, placed(speakers=["a1", "b1"]), policy=Policy(mode="layer2"))
    assert names(steps) == held("label-speakers", closing=["unlabel-nodes"], wait="running")


def test_no_daemonset_says_what_to_dump() -> None:
    with pytest.raises(InputError, match="kubectl get daemonsets -A -o json"):
        make_plan(replace(two_racks(), speaker=None), POLICY, TWO_RACKS, "node-selector")


def test_a_placement_of_other_input_is_refused() -> None:
    with pytest.raises(InputError, match="node gone of the placement"):
        make_plan(two_racks(), POLICY, placed(speakers=["gone"]), "node-selector")


def test_the_label_of_the_policy_is_used() -> None:
    policy = Policy(speaker=SpeakerNeeds(label=("example.com/edge", "")))
    objects = apply_changes(objects_of(two_racks()), plan(two_racks(), TWO_RACKS, "taints", policy)[0].changes)
    assert objects["Node", "", "a1"]["metadata"]["labels"]["example.com/edge"] == ""


def test_a_selector_reads_back_as_it_was_written() -> None:
    raw = {"matchLabels": {"rack": "r1"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}
    assert openelb.to_raw(selector(raw)) == raw

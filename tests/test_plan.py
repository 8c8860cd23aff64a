from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.manifests import (
    Label,
    Objects,
    Patch,
    apply_changes,
    objects_of,
)
from optimizer.model import Cluster, Placement, Policy, Router, SpeakerNeeds, Taint
from optimizer.plan import REQUIRED, STYLES, Step, Style, make_plan, wished_pod_spec
from optimizer.speakers import openelb
from tests.api_server import World
from tests.export_inputs import (
    DAEMONSET,
    KEY,
    OURS,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    hostnames,
    node,
    peer,
    placed,
    rack,
    router,
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
    return make_plan(found, policy, placement, style, openelb.edit_peers(found, policy, placement))


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
    (change,) = next(step for step in plan(two_racks(), TWO_RACKS) if step.slug == "daemonset").changes
    assert isinstance(change, Patch)
    assert (change.type, change.body) == ("merge", {"spec": {"template": {"spec": {"nodeSelector": {KEY: VALUE}}}}})


def test_a_style_is_left_in_one_patch_so_that_speakers_restart_once() -> None:
    found = two_racks()
    tainted = again(after(found, plan(found, TWO_RACKS, "taints")), TWO_RACKS, found.routers)
    steps = plan(tainted, TWO_RACKS, "affinity")
    assert [step.slug for step in steps] == ["untaint-speakers", "daemonset"]
    (change,) = steps[1].changes
    assert isinstance(change, Patch)
    assert [operation["op"] for operation in change.body] == ["add", "test", "remove", "test", "remove"]


# The order.


def slugs(steps: Iterable[Step]) -> list[tuple[str, str]]:
    return [(step.slug, step.wait) for step in steps]


def test_when_the_chosen_speakers_run_the_daemonset_stops_the_others() -> None:
    steps = plan(two_racks(), TWO_RACKS)
    assert slugs(steps) == [("label-speakers", ""), ("daemonset", "established")]
    assert steps[0].changes == (Label(KEY, VALUE, ("a1", "a2", "b1", "b2")),)


def test_a_new_speaker_comes_up_before_any_other_stops() -> None:
    steps = plan(two_racks(running=["a1", "c1", "b1", "b2"]), TWO_RACKS)
    assert slugs(steps) == [("label-speakers", ""), ("daemonset", ""), ("unlabel-nodes", "established")]
    assert steps[0].changes == (Label(KEY, VALUE, ("a1", "a2", "b1", "b2", "c1")),)
    assert steps[2].changes == (Label(KEY, None, ("c1",)),)


def test_on_reoptimization_only_labels_change() -> None:
    found = two_racks()
    first = again(after(found, plan(found, TWO_RACKS)), TWO_RACKS, found.routers)
    moved = placed(("a1", "leaf-1"), ("c1", "leaf-1"), ("b1", "leaf-2"), ("b2", "leaf-2"))
    steps = plan(first, moved)
    assert slugs(steps) == [("label-speakers", ""), ("unlabel-nodes", "established")]
    assert (steps[0].changes, steps[1].changes) == ((Label(KEY, VALUE, ("c1",)),), (Label(KEY, None, ("a2",)),))
    assert (steps[0].undo_wait, steps[1].undo_wait) == ("established", "")


def test_a_stale_label_goes_before_the_daemonset_asks_for_it() -> None:
    nodes = [node("a1"), node("a2"), node("a3", chosen=True)]
    steps = plan(cluster(nodes, running=["a1", "a2"]), placed(speakers=["a1", "a2"]))
    assert steps[0].changes == (Label(KEY, VALUE, ("a1", "a2")), Label(KEY, None, ("a3",)))


def test_the_taint_comes_after_the_toleration_and_goes_before_it() -> None:
    found = two_racks()
    steps = plan(found, TWO_RACKS, "taints")
    assert [step.slug for step in steps] == ["label-speakers", "daemonset", "taint-nodes"]
    assert [step.slug for step in plan(again(after(found, steps), TWO_RACKS, found.routers), TWO_RACKS)] == [
        "untaint-speakers",
        "daemonset",
    ]


def test_layer2_waits_for_the_rollout_alone_and_leaves_bgppeers() -> None:
    found = two_racks(running=["a1"])
    steps = plan(found, placed(speakers=["a1", "b1"]), policy=Policy(mode="layer2"))
    assert slugs(steps) == [("label-speakers", ""), ("daemonset", "")]
    found = two_racks(running=["a1", "a2"])
    steps = plan(found, placed(speakers=["a1", "b1"]), policy=Policy(mode="layer2"))
    assert slugs(steps)[-1] == ("unlabel-nodes", "rollout")


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


# Random states: the wished state, nothing more to do, nothing lost on the way, and the way back.

LINUX_TERMS = required({"matchExpressions": [LINUX]}, {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]})
FOREIGN_TAINT = Taint("CriticalAddonsOnly", "NoSchedule")


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """A template with foreign parts that every node meets, as an earlier export in some style has left it."""
    pod: dict[str, Any] = {"tolerations": [FOREIGN], "hostNetwork": True}
    if draw(st.booleans()):
        pod["nodeSelector"] = draw(st.sampled_from([{}, {"kubernetes.io/os": "linux"}]))
    if draw(st.booleans()):
        pod["affinity"] = draw(st.sampled_from([{}, POD_ANTI_AFFINITY, LINUX_TERMS, LINUX_TERMS | POD_ANTI_AFFINITY]))
    style = draw(st.sampled_from([None, *STYLES]))
    return wished_pod_spec(pod, LABEL, style) if style else pod


@st.composite
def states(draw: st.DrawFn, duplicates: bool = True) -> tuple[Cluster, Placement]:
    names = [f"n{number}" for number in range(draw(st.integers(2, 6)))]
    nodes = []
    for name in names:
        taints = draw(st.lists(st.sampled_from([OURS, FOREIGN_TAINT]), unique=True))
        marked = draw(st.sampled_from([None, None, VALUE, "other"]))
        each = node(name, draw(st.sampled_from(["r1", "r2"])), taints=taints)
        nodes.append(replace(each, labels={**each.labels, **({KEY: marked} if marked else {})}))
    routers, peers, pairs = [], [], []
    speakers = draw(st.sets(st.sampled_from(names), min_size=1))
    for number in (1, 2):
        raws = [None, {}, rack(f"r{number}"), hostnames(*draw(st.sets(st.sampled_from(names), min_size=1)))]
        count = draw(st.sampled_from([0, 1, 1, 2] if duplicates else [0, 1]))
        for index in range(count):
            peers.append(peer(f"leaf-{number}{'-dup' * index}", f"10.0.0.{number}", draw(st.sampled_from(raws))))
        kept = f"leaf-{number}{draw(st.sampled_from(['', '-dup'])) if count == 2 else ''}" if count else None
        routers.append(router(number, kept, draw(st.sampled_from([None, rack(f"r{number}")]))))
        attached = sorted(each.name for each in nodes if each.labels["rack"] == f"r{number}" and each.name in speakers)
        selected = draw(st.booleans())
        pairs += [(name, f"leaf-{number}") for name in attached if not selected or draw(st.booleans())]
    pod = draw(pods())
    found = cluster(nodes, routers, peers, pod)
    running = World(objects_of(found)).speakers()
    return cluster(nodes, routers, peers, pod, running=running), placed(*pairs, speakers=speakers)


def wanted(placement: Placement) -> set[tuple[str, str]]:
    return {(each.node, f"10.0.0.{each.router[-1]}") for each in placement.sessions}


def canonical(objects: Objects) -> Objects:
    """Taints sorted: their order means nothing."""
    return {
        key: {**each, "spec": {"taints": sorted(each["spec"]["taints"], key=str)}} if key[0] == "Node" else each
        for key, each in objects.items()
    }


@settings(deadline=None, max_examples=300)
@given(states(), st.sampled_from(STYLES))
def test_the_steps_give_the_wished_state_once_and_their_undo_today(
    state: tuple[Cluster, Placement], style: Style
) -> None:
    found, placement = state
    steps = plan(found, placement, style)
    assert all(step.changes and step.undo for step in steps)
    objects = after(found, steps)
    world = World(objects)
    assert world.speakers() == sorted(placement.speakers)
    assert world.sessions() == wanted(placement)
    addresses = [each["spec"]["conf"]["neighborAddress"] for (kind, _, _), each in objects.items() if kind == "BgpPeer"]
    assert len(addresses) == len(set(addresses))
    labelled = [
        name
        for (kind, _, name), each in objects.items()
        if kind == "Node" and each["metadata"]["labels"].get(KEY) == VALUE
    ]
    assert labelled == sorted(placement.speakers)
    assert plan(again(objects, placement, found.routers), placement, style) == ()
    for step in reversed(steps):
        objects = apply_changes(objects, step.undo)
    assert canonical(objects) == canonical(objects_of(found))


@settings(deadline=None, max_examples=300)
@given(states(), st.sampled_from(STYLES))
def test_foreign_parts_stay(state: tuple[Cluster, Placement], style: Style) -> None:
    found, placement = state
    objects = after(found, plan(found, placement, style))
    assert found.speaker is not None
    old, new = (each["spec"]["template"]["spec"] for each in (objects_of(found)[DAEMONSET], objects[DAEMONSET]))
    bare = [{n: v for n, v in (pod.get("nodeSelector") or {}).items() if n != KEY} for pod in (old, new)]
    assert bare[0] == bare[1]
    assert [[t for t in pod["tolerations"] if t != TOLERATION] for pod in (old, new)] == [[FOREIGN], [FOREIGN]]
    assert (TOLERATION in new["tolerations"], KEY in new.get("nodeSelector", {})) == (
        style == "taints",
        style != "affinity",
    )
    anti = [(pod.get("affinity") or {}).get("podAntiAffinity") for pod in (old, new)]
    assert anti[0] == anti[1]
    for each in found.nodes:
        taints = objects["Node", "", each.name]["spec"]["taints"]
        assert (FOREIGN_TAINT in each.taints) == ({"key": "CriticalAddonsOnly", "effect": "NoSchedule"} in taints)
        ours = {"key": KEY, "value": VALUE, "effect": "NoSchedule"} in taints
        assert ours == (style == "taints" and each.name in placement.speakers)


@settings(deadline=None, max_examples=300)
@given(states(duplicates=False), st.sampled_from(STYLES))
def test_no_session_that_stays_is_lost_and_none_opens_beside_today_and_the_placement(
    state: tuple[Cluster, Placement], style: Style
) -> None:
    found, placement = state
    steps = plan(found, placement, style)
    objects = objects_of(found)
    today = World(objects).sessions()
    for step in steps:
        if step.wait:
            # Before anything closes, all of today and all of the placement is up.
            world = World(objects)
            assert set(world.speakers()) >= {*placement.speakers}
            assert world.sessions() == today | wanted(placement)
        for change in step.changes:
            objects = apply_changes(objects, [change])
            sessions = World(objects).sessions()
            assert today & wanted(placement) <= sessions <= today | wanted(placement)
    for step in reversed(steps):
        if step.undo_wait:
            assert World(objects).sessions() >= today
        for change in step.undo:
            objects = apply_changes(objects, [change])
            sessions = World(objects).sessions()
            assert today & wanted(placement) <= sessions <= today | wanted(placement)


def test_a_selector_reads_back_as_it_was_written() -> None:
    raw = {"matchLabels": {"rack": "r1"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}
    assert openelb.to_raw(selector(raw)) == raw

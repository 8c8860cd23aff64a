"""Plans from random states: the wished state, nothing lost on the way, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.kube.changes import Change, Delete, Objects, Patch, Restart, apply_changes, inverse
from optimizer.model import Cluster, Placement, Taint
from optimizer.plan.budget import make_budget
from optimizer.plan.hold import ANNOTATION
from optimizer.plan.objects import objects_of
from optimizer.plan.order import check_label
from optimizer.plan.restarts import restart_back
from optimizer.plan.template import STYLES, Style, wished_pod_spec
from tests.api_server import World
from tests.exports.export_inputs import (
    DAEMONSET,
    KEY,
    OURS,
    POLICY,
    TWO_RACKS,
    VALUE,
    cluster,
    daemonset,
    hostnames,
    node,
    peer,
    placed,
    rack,
    router,
    two_racks,
)
from tests.plan.test_steps import FOREIGN, LABEL, LINUX, POD_ANTI_AFFINITY, TOLERATION, after, again, plan, required

ANY_VALUE = {"matchExpressions": [{"key": KEY, "operator": "Exists"}]}
SOME_VALUES = {"matchExpressions": [LINUX, {"key": KEY, "operator": "In", "values": ["other", VALUE]}]}
BY_HAND = [required(ANY_VALUE), required(SOME_VALUES), required(ANY_VALUE, SOME_VALUES)]
LINUX_TERMS = required({"matchExpressions": [LINUX]}, {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]})
FOREIGN_TAINT = Taint("CriticalAddonsOnly", "NoSchedule")


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """A template with foreign parts that every node meets, as an earlier export in some style has left it."""
    pod: dict[str, Any] = {"tolerations": [FOREIGN], "hostNetwork": True}
    if draw(st.booleans()):
        pod["nodeSelector"] = draw(st.sampled_from([{}, {"kubernetes.io/os": "linux"}]))
    if draw(st.booleans()):
        others = [{}, POD_ANTI_AFFINITY, LINUX_TERMS, LINUX_TERMS | POD_ANTI_AFFINITY]
        pod["affinity"] = draw(st.sampled_from([*others, *BY_HAND]))
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
    """Taints sorted, since their order means nothing, and no empty maps, which an API server takes for absent."""
    plain = json.loads(json.dumps(list(objects.items())), object_hook=filled)
    return {
        tuple(key): {**each, "spec": {"taints": sorted(each.get("spec", {}).get("taints", []), key=str)}}
        if key[0] == "Node"
        else each
        for key, each in plain
    }


def filled(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value not in ({}, [], None)}


def test_a_template_edit_restarts_nothing_by_itself_and_the_speakers_in_rounds() -> None:
    found = two_racks()
    steps = plan(found, TWO_RACKS)
    hold, resume = (next(step for step in steps if step.name == name) for name in ("hold-restarts", "resume-restarts"))
    (held_patch,), (resumed,) = hold.changes, resume.changes
    assert isinstance(held_patch, Patch)
    assert held_patch.body == {
        "metadata": {"annotations": {ANNOTATION: '{"type": "RollingUpdate"}'}},
        "spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}},
    }
    assert inverse(objects_of(found), held_patch) == (resumed,)
    # Both speakers of a leaf are never in one round; those of two leaves are.
    (renewed,) = (step for step in steps if step.name == "restart-speakers")
    assert (renewed.changes, renewed.undo) == ((Restart((("a1", "b1"), ("a2", "b2"))),), ())
    assert hold.undo == (resumed,)
    # Back with the old template come all of today's speakers, while those of the placement still hold the routers.
    (edited,) = (step for step in steps if step.name == "daemonset")
    assert edited.undo[1:] == (Restart((("a1", "b1"), ("a2", "b2"), ("c1",))),)


def test_a_daemonset_that_is_updated_by_hand_is_not_held() -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({}, updateStrategy={"type": "OnDelete"})
    by_hand = replace(found, speaker=replace(found.speaker, manifest=manifest))
    assert [step.name for step in plan(by_hand, TWO_RACKS)] == ["label-speakers", "daemonset", "unlabel-nodes"]


def test_on_the_way_back_a_router_loses_a_tenth_of_many_sessions_at_once() -> None:
    names = [f"n{number:02d}" for number in range(40)]
    found = cluster([node(name) for name in names], [router(1, "p")], [peer("p", "10.0.0.1")])
    assert [len(each) for each in restart_back(found, POLICY, make_budget(found, POLICY, placed())).rounds] == [4] * 10


def test_the_label_must_not_contradict_the_daemonset() -> None:
    other = {"key": KEY, "operator": "NotIn", "values": [VALUE]}
    for pod, told in (
        ({"nodeSelector": {KEY: "other"}}, f"asks for the node label {KEY}=other"),
        ({"affinity": required({"matchExpressions": [LINUX]}, {"matchExpressions": [other]})}, f"{KEY} NotIn {VALUE},"),
        ({"affinity": required({"matchExpressions": [{**other, "operator": "In", "values": ["a"]}]})}, f"{KEY} In a,"),
        (
            {"affinity": required({"matchExpressions": [{"key": KEY, "operator": "DoesNotExist"}]})},
            f"{KEY} DoesNotExist, which",
        ),
    ):
        found = cluster([node("a1")], pod=pod)
        with pytest.raises(InputError, match=re.escape(told)):
            check_label(found, POLICY)
        with pytest.raises(InputError, match="name another label"):
            plan(found, placed(speakers=["a1"]))
    check_label(cluster([node("a1")], pod={"nodeSelector": {KEY: VALUE}}), POLICY)
    check_label(replace(cluster([node("a1")]), speaker=None), POLICY)


def test_a_foreign_taint_is_not_replaced() -> None:
    found = cluster([node("a1", taints=[replace(OURS, value="gpu")]), node("a2")])
    with pytest.raises(InputError, match=f"node a1 has the taint {KEY}=gpu:NoSchedule"):
        plan(found, placed(speakers=["a1"]), "taints")
    assert plan(found, placed(speakers=["a2"]), "taints")


@settings(deadline=None, max_examples=300)
@given(states(), st.sampled_from(STYLES))
def test_the_steps_give_the_wished_state_once_and_their_undo_today(
    state: tuple[Cluster, Placement], style: Style
) -> None:
    found, placement = state
    steps = plan(found, placement, style)
    assert all(step.changes and (step.undo or step.name == "restart-speakers") for step in steps)
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
        if step.needs:
            # Before anything closes, all of today and all of the placement is up.
            world = World(objects)
            assert set(world.speakers()) >= {*placement.speakers}
            assert world.sessions() == today | wanted(placement)
        for change in step.changes:
            objects = apply_changes(objects, [change])
            sessions = World(objects).sessions()
            assert today & wanted(placement) <= sessions <= today | wanted(placement)
    for step in reversed(steps):
        if step.needs_back:
            assert World(objects).sessions() >= today
        for change in step.undo:
            objects = apply_changes(objects, [change])
            sessions = World(objects).sessions()
            assert today & wanted(placement) <= sessions <= today | wanted(placement)


def carry_out(world: World, changes: Iterable[Change]) -> None:
    """Make the changes one object after another, with restarts as functions.sh makes them."""
    for change in changes:
        if isinstance(change, Restart):
            for names in change.rounds:
                outdated = [name for name in names if world.outdated(name)]
                if outdated:
                    world.restart(outdated, looks=0)
            continue
        old = world.objects
        for key, each in apply_changes(old, [change]).items():
            if each is not old.get(key):
                world.change(key, each)
        if isinstance(change, Delete):
            world.change((change.kind, change.namespace, change.name), None)


def by_address(sessions: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """The nodes that have a session with each address."""
    return {at: {name for name, other in sessions if other == at} for at in ("10.0.0.1", "10.0.0.2")}


@settings(deadline=None, max_examples=400)
@given(states(duplicates=False), st.sampled_from(STYLES), st.integers(1, 3), st.integers(1, 3))
def test_at_every_moment_each_router_has_all_but_one_of_its_sessions(
    state: tuple[Cluster, Placement], style: Style, keep: int, more: int
) -> None:
    found, placement = state
    policy = replace(POLICY, speakers_per_router=keep)
    # One of the routers may be to keep more than the other one.
    found = replace(found, routers=(replace(found.routers[0], min_speakers=more), found.routers[1]))
    keeps = {"10.0.0.1": max(keep, more), "10.0.0.2": keep}
    steps = plan(found, placement, style, policy)
    world = World(objects_of(found))
    today, wished = by_address(world.sessions()), by_address(wanted(placement))
    edits = any(step.name == "daemonset" for step in steps)
    short = {f"10.0.0.{name[-1]}" for name in make_budget(found, policy, placement).short} if edits else set()
    for back in (False, True):
        world.moments.clear()
        for step in reversed(steps) if back else steps:
            carry_out(world, step.undo if back else step.changes)
        for moment in map(by_address, world.moments):
            for at, nodes in moment.items():
                least = min(len(today[at]), len(wished[at]))
                if back and style == "taints" and len(today[at]) <= keeps[at]:
                    # A new speaker on a node that was tainted before goes with its toleration.
                    assert len(nodes) >= least - edits
                    continue
                # What it is to keep it has, but for those that are told; with any session to spare it has all.
                assert len(nodes) >= min(least, keeps[at]) - (at in short)
                if not back:
                    assert len(nodes) >= least - (edits and today[at] == wished[at])
        assert not any(map(world.outdated, world.pods))


def test_the_model_loses_every_session_where_a_rolling_update_is_not_held() -> None:
    found = two_racks()
    for held_first in (False, True):
        world = World(objects_of(found))
        carry_out(world, [change for step in plan(found, TWO_RACKS)[not held_first : -2] for change in step.changes])
        assert (set() in world.moments) != held_first

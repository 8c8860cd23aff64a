"""Stages of a plan for a live cluster: patches under test, batches, and what each does to a router's sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.errors import InputError, InternalError
from optimizer.kube.changes import Change, Create, Label, Patch, Restart, TaintNodes, apply_changes, inverse
from optimizer.kube.patches import merge
from optimizer.model import Cluster, Placement, Policy, Survive
from optimizer.plan.objects import objects_of
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Flow, Step
from optimizer.plan.template import STYLES, Style
from optimizer.rollout.stages import stages, under_test
from tests.api_server import World
from tests.exports.export_inputs import (
    DAEMONSET,
    OURS,
    POLICY,
    TWO_RACKS,
    cluster,
    hostnames,
    node,
    peer,
    placed,
    rack,
    router,
    two_racks,
)
from tests.plan.test_states import canonical, carry_out, filled, states
from tests.plan.test_steps import plan

RACK = rack("r1")
NAMES = st.text(alphabet="ab/~.é", min_size=1, max_size=3)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 3), st.text(max_size=2), st.booleans(), st.just([]), st.just([1])
)
PARTS = st.recursive(SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
PATCHES = st.recursive(
    st.one_of(SCALARS, st.none()), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


def staged(
    found: Cluster,
    placement: Placement,
    style: Style = "node-selector",
    policy: Policy = POLICY,
    most: int = 100,
    allow_break: bool = True,
) -> tuple[Step, ...]:
    return stages(make_plan(found, policy, placement, style), most, allow_break)


def plain(value: Any) -> Any:
    """What an API server takes for the same: nothing and empty."""
    return filled({name: plain(part) for name, part in value.items()}) if isinstance(value, dict) else value


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(NAMES, PARTS, max_size=3),
    st.none() | st.dictionaries(NAMES, st.text(max_size=2), max_size=2),
    st.dictionaries(NAMES, PATCHES, max_size=3),
    st.dictionaries(NAMES, st.none() | st.text(max_size=2), max_size=2),
)
def test_a_merge_patch_under_test_does_the_same(
    spec: dict[str, Any], notes: dict[str, str] | None, asked: dict[str, Any], noted: dict[str, Any]
) -> None:
    metadata = {"name": "it", "namespace": "ns"} | ({} if notes is None else {"annotations": notes})
    before = {"kind": "DaemonSet", "metadata": metadata, "spec": spec}
    objects = {("DaemonSet", "ns", "it"): before}
    change = Patch("DaemonSet", "ns", "it", "merge", {"metadata": {"annotations": noted}, "spec": asked})
    tested = under_test(objects, change)
    assert isinstance(tested, Patch)
    assert tested.type == "json"
    (after,) = apply_changes(objects, [tested]).values()
    assert plain(after) == plain(merge(before, change.body))
    (back,) = apply_changes({("DaemonSet", "ns", "it"): after}, inverse(objects, tested)).values()
    assert plain(back) == plain(before)


def test_what_is_no_patch_stays_as_it_is() -> None:
    made = Create({"kind": "BgpPeer", "metadata": {"name": "p"}})
    for change in (Label("a", "b", ("n1",)), Restart((("n1",),)), TaintNodes(OURS, True, ("n1",)), made):
        assert under_test({}, change) is change


def operation(op: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": path} | ({"value": value[0]} if value else {})


def test_a_json_patch_tests_the_stored_value_of_whatever_it_does_not_test_itself() -> None:
    key = ("BgpPeer", "", "p")
    objects = {key: {"kind": "BgpPeer", "metadata": {"name": "p"}, "spec": {"nodeSelector": {}, "a": [1], "b": 2}}}
    add, own = operation("add", "/spec/nodeSelector", RACK), operation("test", "/spec/b", 2)
    body = [
        add,
        operation("remove", "/spec/a"),
        operation("add", "/spec/new/in", 1),
        own,
        operation("remove", "/spec/b"),
    ]
    tested = under_test(objects, Patch(*key, "json", body))
    assert tested == Patch(
        *key,
        "json",
        [
            *(operation("test", "/spec/nodeSelector", {}), add),
            *(operation("test", "/spec/a", [1]), operation("remove", "/spec/a")),
            *(operation("test", "/spec/new/in", None), operation("add", "/spec/new/in", 1)),
            *(own, operation("remove", "/spec/b")),
        ],
    )
    # What is under test stays so, with no test twice.
    assert under_test(objects, tested) == tested
    assert under_test(objects, Patch(*key, "json", [])) == Patch(*key, "json", [])


@pytest.mark.parametrize("kind", ["json", "merge"])
def test_a_selector_that_is_stored_empty_is_not_overwritten_by_one_that_has_come_since(kind: Any) -> None:
    key = ("BgpPeer", "", "p")
    stored = {"kind": "BgpPeer", "metadata": {"name": "p"}, "spec": {"nodeSelector": {}}}
    body: Any = [operation("add", "/spec/nodeSelector", RACK)]
    change = under_test({key: stored}, Patch(*key, kind, {"spec": {"nodeSelector": RACK}} if kind == "merge" else body))
    assert apply_changes({key: stored}, [change])[key]["spec"] == {"nodeSelector": RACK}
    for foreign in ({"nodeSelector": {"matchLabels": {"rack": "theirs"}}}, {}):
        with pytest.raises(InternalError, match="does not fit"):
            apply_changes({key: stored | {"spec": foreign}}, [change])


STRATEGY = "/spec/updateStrategy/type"


@settings(deadline=None, max_examples=200)
@given(states(), st.sampled_from(STYLES))
def test_every_patch_and_its_way_back_test_what_they_replace_and_the_template_only_while_it_is_held(
    state: tuple[Cluster, Placement], style: Style
) -> None:
    found, placement = with_strategy(state[0]), state[1]
    for stage in staged(found, placement, style):
        for change in (*(each for batch in stage.batches for each in batch), *stage.undo):
            if not isinstance(change, Patch):
                continue
            assert change.type == "json"
            tested: dict[str, Any] = {}
            for each in change.body:
                if each["op"] == "test":
                    assert each["path"] not in tested
                    tested[each["path"]] = each["value"]
                else:
                    assert each["path"] in tested
            # As POD_SPEC says it, but for what the product code calls it.
            edits = any(each["path"].startswith("/spec/template") for each in change.body)
            assert edits == (stage.name == "daemonset")
            if edits:
                assert change.body[0] == operation("test", STRATEGY, "OnDelete")


@pytest.mark.parametrize("style", STYLES)
def test_the_template_of_a_daemonset_that_somebody_lets_go_is_not_edited_in_either_direction(style: Style) -> None:
    found = with_strategy(two_racks())
    made = {stage.name: stage for stage in staged(found, TWO_RACKS, style)}
    held = apply_changes(objects_of(found), *made["hold-restarts"].batches)
    ((edit,),) = made["daemonset"].batches
    assert isinstance(edit, Patch)
    edited = apply_changes(held, [edit])
    (back,) = (change for change in made["daemonset"].undo if isinstance(change, Patch))
    assert apply_changes(edited, [back])[DAEMONSET] == held[DAEMONSET]
    for objects, change in ((held, edit), (edited, back)):
        let_go = merge(objects[DAEMONSET], {"spec": {"updateStrategy": {"type": "RollingUpdate"}}})
        with pytest.raises(InternalError, match="does not fit"):
            apply_changes({DAEMONSET: let_go}, [change])
    # The test is all that the edit has to do with the strategy.
    assert STRATEGY not in [each["path"] for each in edit.body if each["op"] != "test"]


def test_a_patch_under_test_does_not_overwrite_what_somebody_else_has_changed() -> None:
    found = two_racks()
    (stage,) = (each for each in staged(found, TWO_RACKS) if each.name == "hold-restarts")
    ((hold,),) = stage.batches
    objects = objects_of(found)
    changed = merge(objects[DAEMONSET], {"spec": {"updateStrategy": {"type": "OnDelete"}}})
    with pytest.raises(InternalError, match="does not fit"):
        apply_changes({DAEMONSET: changed}, [hold])
    # What it does not look at may change.
    other = merge(objects[DAEMONSET], {"spec": {"minReadySeconds": 5}})
    assert apply_changes({DAEMONSET: other}, [hold])[DAEMONSET]["spec"]["minReadySeconds"] == 5


def nodes_of(changes: Iterable[Change]) -> list[tuple[str, str]]:
    """What is changed, node by node, in order."""
    found = []
    for change in changes:
        if isinstance(change, Restart):
            found += [("restart", name) for names in change.rounds for name in names]
        elif isinstance(change, Label | TaintNodes):
            found += [(repr(replace(change, nodes=())), name) for name in change.nodes]
    return found


@settings(deadline=None, max_examples=200)
@given(states(), st.sampled_from(STYLES), st.integers(1, 4), st.data())
def test_batches_are_small_and_stop_one_failure_domain_of_a_router_at_a_time(
    state: tuple[Cluster, Placement], style: Style, most: int, data: st.DataObject
) -> None:
    found, placement = state
    zones = {each.name: data.draw(st.sampled_from(["z1", "z2"])) for each in found.nodes}
    found = replace(found, nodes=tuple(replace(each, domains={"zone": zones[each.name]}) for each in found.nodes))
    policy = replace(POLICY, survive=(Survive("zone"),))
    leaving = set(found.today.speakers) - set(placement.speakers)
    given_steps = {step.name: step for step in plan(found, placement, style, policy)}
    for stage in staged(found, placement, style, policy, most):
        made = [change for batch in stage.batches for change in batch]
        assert Counter(nodes_of(made)) == Counter(nodes_of(given_steps[stage.name].changes))
        for batch in stage.batches:
            assert len(nodes_of(batch)) <= most
        if stage.name != "unlabel-nodes":
            # The order is kept, in which all rounds of a restart are one after another.
            assert nodes_of(made) == nodes_of(given_steps[stage.name].changes)
            continue
        for batch in stage.batches:
            stopping = leaving.intersection(name for _, name in nodes_of(batch))
            for nodes in found.today.sessions.values():
                assert len({zones[name] for name in stopping.intersection(nodes)}) <= 1


@settings(deadline=None, max_examples=400)
@given(states(duplicates=False), st.sampled_from(STYLES), st.integers(1, 3))
def test_the_levels_are_what_happens(state: tuple[Cluster, Placement], style: Style, most: int) -> None:
    found, placement = with_strategy(state[0]), state[1]
    world = World(objects_of(found))
    for stage in staged(found, placement, style, most=most):
        world.moments = [world.sessions()]
        for batch in stage.batches:
            carry_out(world, batch)
        assert_levels(stage.sessions, world.moments, [each.name for each in found.routers])


@settings(deadline=None, max_examples=200)
@given(states(), st.sampled_from(STYLES), st.integers(1, 3))
def test_taken_back_in_reverse_all_is_as_it_was(state: tuple[Cluster, Placement], style: Style, most: int) -> None:
    found, placement = with_strategy(state[0]), state[1]
    world = World(objects_of(found))
    made = staged(found, placement, style, most=most)
    for stage in made:
        for batch in stage.batches:
            carry_out(world, batch)
    assert world.speakers() == list(placement.speakers)
    for stage in reversed(made):
        carry_out(world, stage.undo)
    assert canonical(world.objects) == canonical(objects_of(found))
    assert not any(map(world.outdated, world.pods))


def with_strategy(found: Cluster) -> Cluster:
    """The cluster with the update strategy that an API server gives a DaemonSet without one."""
    assert found.speaker is not None
    manifest = merge(found.speaker.manifest, {"spec": {"updateStrategy": {"type": "RollingUpdate"}}})
    return replace(found, speaker=replace(found.speaker, manifest=manifest))


def assert_levels(levels: Any, moments: list[set[tuple[str, str]]], routers: list[str]) -> None:
    """Compare the levels of a stage with the sessions at each of its moments."""
    for name in routers:
        counts = [sum(address[-1] == name[-1] for _, address in moment) for moment in moments]
        told = levels.get(name) or Flow(counts[0])
        assert (told.before, told.after) == (counts[0], counts[-1])
        assert told.least <= min(counts) <= max(counts) <= told.most


def test_levels_batches_and_words_of_a_plan() -> None:
    found = two_racks()
    label, hold, edit, restart, unlabel, resume = staged(found, TWO_RACKS, most=2)
    assert [each.name for each in (label, hold, edit, restart, unlabel, resume)] == [
        *("label-speakers", "hold-restarts", "daemonset", "restart-speakers", "unlabel-nodes", "resume-restarts")
    ]
    assert [len(nodes_of(batch)) for batch in label.batches] == [2, 2, 1]
    assert restart.sessions == {"leaf-1": Flow(3, reset=1), "leaf-2": Flow(2, reset=1)}
    assert unlabel.sessions == {"leaf-1": Flow(3, closed=1)}
    assert (hold.sessions, edit.sessions) == ({}, {})
    assert (label.disturbs, unlabel.disturbs) == ("0 speakers start, none stops", "1 speaker stops")
    # What takes the edit back restarts, in rounds, those that may have the new template.
    assert [isinstance(change, Restart) for change in edit.undo] == [False, True]


def test_only_speakers_with_an_old_template_are_restarted_where_they_are_known() -> None:
    found = two_racks()
    whole = make_plan(found, POLICY, TWO_RACKS, "node-selector")
    some = stages(whole, allow_break=True, outdated={"a2", "b1", "c1"})
    (restart,) = (each for each in some if each.name == "restart-speakers")
    assert [name for _, name in nodes_of(change for batch in restart.batches for change in batch)] == ["b1", "a2"]
    assert restart.sessions == {"leaf-1": Flow(3, reset=1), "leaf-2": Flow(2, reset=1)}
    # Where none has, no router is short of a session, so that nothing is to be allowed.
    none = stages(whole, outdated=())
    assert "restart-speakers" not in [each.name for each in none]


def test_a_router_over_its_limit_meanwhile_is_refused_and_the_remedy_is_named() -> None:
    names = [f"n{number}" for number in range(4)]
    routers = [router(number, f"p{number}", max_sessions=2) for number in (1, 2)]
    peers = [peer(f"p{number}", f"10.0.0.{number}", hostnames("n0", "n1")) for number in (1, 2)]
    found = cluster([node(name) for name in names], routers, peers)
    placement = placed(*((name, f"leaf-{number}") for number in (1, 2) for name in ("n2", "n3")))
    with pytest.raises(InputError) as caught:
        staged(found, placement, allow_break=False)
    assert str(caught.value) == (
        "router leaf-1 would have 4 sessions, old and new together, over its limit of 2 (and 1 more like it); "
        "--allow-break closes some of the old ones first"
    )
    assert staged(found, placement)


def test_a_router_without_a_session_to_spare_is_refused_and_the_remedies_are_named() -> None:
    with pytest.raises(InputError, match="router leaf-2 has no session to spare while its speakers restart") as caught:
        staged(two_racks(), TWO_RACKS, allow_break=False)
    assert "--allow-break lets it be one short" in str(caught.value)
    assert "--speaker-label KEY=VALUE" in str(caught.value)
    policy = replace(POLICY, speakers_per_router=1)
    assert staged(two_racks(), TWO_RACKS, policy=policy, allow_break=False)


def test_outside_bgp_there_are_no_levels_and_nothing_is_refused() -> None:
    policy = replace(POLICY, mode="layer2")
    found = staged(two_racks(), placed(speakers=["a1", "b1"]), policy=policy, allow_break=False)
    assert found
    assert not any(each.sessions for each in found)

"""A change that was interrupted: a plan made from what is there then brings it to its end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology
from optimizer.kube.changes import Patch, Restart
from optimizer.kube.patches import merge
from optimizer.model import Cluster, Placement, Router
from optimizer.plan.hold import ANNOTATION, strategy
from optimizer.plan.objects import objects_of
from optimizer.plan.template import STYLES, Style
from tests.api_server import World
from tests.exports.export_inputs import DAEMONSET, KEY, TWO_RACKS, VALUE, daemonset, placed, two_racks
from tests.plan.test_states import by_address, canonical, carry_out, states, wanted
from tests.plan.test_steps import after, again, plan

OWN = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}


def with_strategy(found: Cluster, own: dict[str, Any]) -> Cluster:
    assert found.speaker is not None
    manifest = {**found.speaker.manifest, "spec": {**found.speaker.manifest["spec"], "updateStrategy": own}}
    return replace(found, speaker=replace(found.speaker, manifest=manifest))


def read_again(world: World, routers: Iterable[Router]) -> Cluster:
    """What is read from a cluster in the middle of a change."""
    found = again(world.objects, placed(speakers=world.speakers()), routers)
    assert found.speaker is not None
    return replace(found, speaker=replace(found.speaker, manifest=world.objects[DAEMONSET]))


def interrupted(found: Cluster, placement: Placement, name: str, style: Style = "node-selector") -> World:
    """A cluster where the steps before this one have been made."""
    steps = plan(found, placement, style)
    world = World(objects_of(found))
    for step in steps[: [step.name for step in steps].index(name)]:
        carry_out(world, step.changes)
    return world


@pytest.mark.parametrize("style", STYLES)
def test_a_cluster_that_was_left_held_is_brought_to_the_end(style: Style) -> None:
    found = with_strategy(two_racks(), OWN)
    world = interrupted(found, TWO_RACKS, "restart-speakers", style)
    assert strategy(world.objects[DAEMONSET]) == "OnDelete"
    held, start = read_again(world, found.routers), canonical(world.objects)
    steps = plan(held, TWO_RACKS, style)
    assert [(step.name, step.needs) for step in steps] == [
        ("restart-speakers", ""),
        ("unlabel-nodes", "established"),
        *([("taint-nodes", "")] if style == "taints" else []),
        ("resume-restarts", ""),
    ]
    assert steps[0].changes == (Restart((("a1", "b1"), ("a2", "b2"))),)
    world.moments.clear()
    for step in steps:
        carry_out(world, step.changes)
    assert world.daemonset["spec"]["updateStrategy"] == OWN
    assert ANNOTATION not in world.daemonset["metadata"].get("annotations", {})
    assert world.speakers() == list(TWO_RACKS.speakers)
    assert not any(map(world.outdated, world.pods))
    for moment in map(by_address, world.moments):
        # Here c1, which leaves, holds leaf-1 meanwhile; leaf-2 has no session to spare.
        assert len(moment["10.0.0.1"]) >= 2
        assert len(moment["10.0.0.2"]) >= 1
    for step in reversed(steps):
        carry_out(world, step.undo)
    assert canonical(world.objects) == start


@settings(deadline=None, max_examples=200)
@given(states(duplicates=False), st.sampled_from(STYLES), st.data())
def test_wherever_a_change_stops_a_new_plan_ends_it(
    state: tuple[Cluster, Placement], style: Style, data: st.DataObject
) -> None:
    found, placement = with_strategy(state[0], OWN), state[1]
    steps = plan(found, placement, style)
    world = World(objects_of(found))
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        carry_out(world, step.changes)
    before, start = read_again(world, found.routers), canonical(world.objects)
    speakers = world.speakers()
    rest = plan(before, placement, style)
    for step in rest:
        carry_out(world, step.changes)
    assert world.speakers() == sorted(placement.speakers)
    assert world.sessions() == wanted(placement)
    assert canonical(world.objects)[DAEMONSET] == canonical(after(found, steps))[DAEMONSET]
    assert not any(map(world.outdated, world.pods))
    assert plan(read_again(world, found.routers), placement, style) == ()
    for step in reversed(rest):
        carry_out(world, step.undo)
    assert (canonical(world.objects), world.speakers()) == (start, speakers)
    # What the rest of the change has brought to the new template has the old one again, if it was the old one.
    if any(step.name == "daemonset" for step in rest):
        assert not any(map(world.outdated, world.pods))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("note", [json.dumps(OWN), '{"type": "OnDelete"}', "x"])
def test_what_is_noted_of_a_daemonset_that_was_let_go_by_hand_is_removed_last(style: Style, note: str) -> None:
    found = with_strategy(two_racks(), OWN)
    world = World(objects_of(found))
    for step in plan(found, TWO_RACKS, style):
        carry_out(world, step.changes)
    own = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3}}
    noted = merge(world.objects[DAEMONSET], {"metadata": {"annotations": {ANNOTATION: note, "x": "y"}}})
    world.change(DAEMONSET, {**noted, "spec": {**noted["spec"], "updateStrategy": own}})
    before, start = read_again(world, found.routers), canonical(world.objects)
    steps = plan(before, TWO_RACKS, style)
    assert steps[-1].name == "resume-restarts"
    (change,) = steps[-1].changes
    assert isinstance(change, Patch)
    assert change.body == {"metadata": {"annotations": {ANNOTATION: None}}}
    speakers, sessions = world.speakers(), world.sessions()
    world.moments.clear()
    for step in steps:
        carry_out(world, step.changes)
    # Nothing else changes: not the strategy that somebody has chosen since, and no speaker stops meanwhile.
    assert world.daemonset["spec"]["updateStrategy"] == own
    assert world.daemonset["metadata"]["annotations"] == {"x": "y"}
    assert (world.speakers(), world.sessions()) == (speakers, sessions)
    assert all(moment == sessions for moment in world.moments)
    assert plan(read_again(world, found.routers), TWO_RACKS, style) == ()
    for step in reversed(steps):
        carry_out(world, step.undo)
    assert canonical(world.objects) == start


def test_a_dump_of_a_held_daemonset_is_read(tmp_path: Path) -> None:
    world = interrupted(with_strategy(two_racks(), OWN), TWO_RACKS, "restart-speakers")
    (tmp_path / "dump.json").write_text(json.dumps({"kind": "List", "items": list(world.objects.values())}))
    found = with_topology(read_cluster([str(tmp_path / "dump.json")]), Topology())
    assert found.today.speakers == ("a1", "a2", "b1", "b2", "c1")
    steps = plan(found, TWO_RACKS)
    assert [step.name for step in steps] == ["restart-speakers", "unlabel-nodes", "resume-restarts"]
    assert after(found, steps)[DAEMONSET]["spec"]["updateStrategy"] == OWN


def test_the_template_of_a_held_daemonset_may_not_be_edited_yet() -> None:
    found = with_strategy(two_racks(), OWN)
    world = interrupted(found, TWO_RACKS, "daemonset")
    steps = plan(read_again(world, found.routers), TWO_RACKS)
    assert [step.name for step in steps if step.changes] == [
        "daemonset",
        "restart-speakers",
        "unlabel-nodes",
        "resume-restarts",
    ]


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "{}", '{"type": "OnDelete"}'])
def test_an_annotation_that_is_no_strategy_is_named(text: str) -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({"nodeSelector": {KEY: VALUE}}, updateStrategy={"type": "OnDelete"})
    manifest["metadata"]["annotations"] = {ANNOTATION: text}
    broken = replace(found, speaker=replace(found.speaker, manifest=manifest))
    with pytest.raises(InputError, match=f"openelb-system/openelb-speaker: the annotation {ANNOTATION} does not say"):
        plan(broken, TWO_RACKS)

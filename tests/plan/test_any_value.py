"""A template that asks for the key of the speaker label only, or for one of several values, is managed as it is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.exports.export import FORMATS, Format, export
from optimizer.kube.changes import Label, apply_changes
from optimizer.model import Cluster, Node, Policy, SpeakerNeeds
from optimizer.plan.check import check_end, check_steps
from optimizer.plan.plan import Plan, make_plan
from optimizer.plan.template import STYLES, Style, marks, pod_spec, restricts
from tests.api_server import World
from tests.exports.export_inputs import cluster, node, peer, placed, rack, router
from tests.plan.test_steps import LINUX, required

KEY = "openelb.io/speaker-node"
EXISTS = {"key": KEY, "operator": "Exists"}
SEVERAL = {"key": KEY, "operator": "In", "values": ["", "true", "yes"]}
WISHED = placed(("n1", "leaf-1"), ("n2", "leaf-1"))


def labelled(name: str, value: str | None) -> Node:
    """A node with this value of the label, or without it."""
    bare = node(name)
    return bare if value is None else replace(bare, labels={**bare.labels, KEY: value})


def marked(requirement: dict[str, Any], **labels: str | None) -> Cluster:
    """Nodes with these values of the label; a speaker runs where the requirement lets it."""
    nodes = [labelled(name, value) for name, value in labels.items()]
    pod = {"affinity": required({"matchExpressions": [LINUX, requirement]})}
    running = [name for name, value in labels.items() if value is not None]
    return cluster(nodes, [router(1, "leaf", rack("r1"))], [peer("leaf", "10.0.0.1", rack("r1"))], pod, running)


def planned(found: Cluster, value: str, style: Style) -> Plan:
    plan = make_plan(found, Policy(speaker=SpeakerNeeds(label=(KEY, value))), WISHED, style)
    check_steps(plan)
    check_end(plan)
    return plan


@pytest.mark.parametrize("requirement", [EXISTS, SEVERAL])
@pytest.mark.parametrize("value", ["", "true"])
@pytest.mark.parametrize("style", STYLES)
def test_the_label_goes_from_nodes_that_leave_whatever_its_value(
    requirement: dict[str, Any], value: str, style: Style
) -> None:
    found = marked(requirement, n1="", n2="true", n3="", n4="yes", n5=None)
    plan = planned(found, value, style)
    labels = {
        name: plan.after["Node", "", name]["metadata"]["labels"].get(KEY) for name in ("n1", "n2", "n3", "n4", "n5")
    }
    assert labels == {"n1": value, "n2": value, "n3": None, "n4": None, "n5": None}
    assert World(plan.after).speakers() == ["n1", "n2"]
    # In its own style a template that asks for the label by hand is left as it is, so that nothing restarts.
    kinds = [type(change) for step in plan.steps for change in step.changes]
    assert ({*kinds} == {Label}) == (style == "affinity")
    back = apply_changes(plan.after, (change for step in reversed(plan.steps) for change in step.undo))
    assert {key: each for key, each in back.items() if key[0] == "Node"} == {
        key: each for key, each in plan.objects.items() if key[0] == "Node"
    }


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("format_", FORMATS)
def test_exports_of_it_lead_there_and_back(style: Style, format_: Format) -> None:
    # The export carries its own files out, both ways, and raises where they lead anywhere else.
    plan = planned(marked(EXISTS, n1="", n2="true", n3="yes"), "", style)
    files = export(plan, format_).files
    assert any(f" {KEY}=\n" in text for text in files.values())


def test_a_node_that_nothing_runs_on_loses_the_label_too() -> None:
    found = marked(EXISTS, n1="", n2="true", n3=None)
    stray = labelled("n4", "yes")
    pod = pod_spec(found.speaker.manifest) if found.speaker else {}
    with_stray = cluster([*found.nodes, stray], found.routers, found.peers, pod, ["n1", "n2"])
    assert KEY not in planned(with_stray, "", "affinity").after["Node", "", "n4"]["metadata"]["labels"]


def test_what_marks_a_node() -> None:
    free: dict[str, Any] = {}
    any_value, several = ({"affinity": required({"matchExpressions": [each]})} for each in (EXISTS, SEVERAL))
    for pod, values in ((free, {"true"}), (any_value, {"", "true", "x"}), (several, {"", "true"})):
        test = marks(pod, KEY, "true")
        assert {value for value in ("", "true", "x") if test({KEY: value})} == values
        assert not test({})
        assert restricts(pod, KEY, "true") == bool(pod)
    # Another value may be somebody's pool where the node selector asks for ours, or one way in for none.
    chosen = {"nodeSelector": {KEY: "true"}, **any_value}
    some = {"affinity": required({"matchExpressions": [EXISTS]}, {"matchExpressions": [LINUX]})}
    for pod in (chosen, some):
        assert [value for value in ("", "true", "x") if marks(pod, KEY, "true")({KEY: value})] == ["true"]
    # One way in that does without the label is no restriction.
    either = {"affinity": required({"matchExpressions": [EXISTS]}, {"matchExpressions": [LINUX]})}
    assert not restricts(either, KEY, "true")

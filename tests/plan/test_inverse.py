"""The way back: the same steps reversed, with what must be settled and up before each."""

from __future__ import annotations

import pytest

from optimizer.kube.changes import Label, Restart, apply_changes
from optimizer.plan.inverse import inverse_steps
from optimizer.plan.plan import make_plan
from optimizer.plan.steps import Flow, Step
from optimizer.plan.template import STYLES, Style, edits_template
from tests.exports.export_inputs import POLICY, TWO_RACKS, two_racks
from tests.exports.export_shell import moving_with
from tests.plan.test_states import canonical

HOLD = "keep the DaemonSet from restarting its pods by itself"
ON, OFF = Label("a", "b", ("n1",)), Label("a", None, ("n1",))


@pytest.mark.parametrize("style", STYLES)
def test_the_inverse_leads_back_to_today(style: Style) -> None:
    plan = make_plan(*moving_with(style))
    objects = plan.after
    back = inverse_steps(plan.steps)
    for step in back:
        objects = apply_changes(objects, step.changes)
    assert canonical(objects) == canonical(plan.objects)
    assert [step.name for step in back] == [step.name for step in reversed(plan.steps) if step.undo]
    assert [step.why for step in back] == [step.why_back for step in reversed(plan.steps) if step.undo]
    assert all(step.why for step in back)
    assert not {step.why for step in back} & {step.why for step in plan.steps} - {HOLD}


def test_what_follows_the_edit_of_the_template_waits_for_it_in_both_directions() -> None:
    steps = make_plan(two_racks(), POLICY, TWO_RACKS, "node-selector").steps
    assert [step.name for step in steps if step.settled] == ["daemonset"]
    back = inverse_steps(steps)
    edit = next(index for index, step in enumerate(back) if any(map(edits_template, step.changes)))
    assert [index for index, step in enumerate(back) if step.settled] == [edit + 1]
    assert [step.needs for step in back] == [step.needs_back for step in reversed(steps) if step.undo]
    assert [step.name for step in steps if step.current] == ["resume-restarts"]
    assert not any(step.current for step in back)


def test_a_step_without_a_way_back_hands_on_what_must_be_settled() -> None:
    first = Step("a", "do a", ((ON,),), (OFF,), needs_back="running", why_back="do a back")
    restart = Step("b", "do b", ((Restart((("n1",),)),),))
    edit = Step("c", "do c", ((OFF,),), (ON,), settled=True, why_back="do c back")
    assert inverse_steps([first, restart, edit]) == (
        Step("c", "do c back", ((ON,),)),
        Step("a", "do a back", ((OFF,),), needs="running", settled=True),
    )
    assert inverse_steps([]) == ()


def test_a_flow_tells_the_fewest_and_the_most() -> None:
    flow = Flow(5, opened=2, closed=4, reset=1, limit=9)
    assert (flow.after, flow.least, flow.most) == (3, 2, 5)
    assert (Flow(5).after, Flow(5).least, Flow(5).most) == (5, 5, 5)

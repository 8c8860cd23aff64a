"""The plan around what another tool does: scripts for before and after it, and for the way back."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..kube.changes import Change, Objects, Restart
from ..plan.inverse import inverse_steps
from ..plan.plan import Plan
from ..plan.steps import Step
from ..plan.template import edits_template
from .kubectl import CHECKED, WAITED, new_script, script_back
from .script import Script, functions


class Tool(Struct, frozen=True):
    """Another tool: the changes that it makes, what the names of the scripts begin with, and the sentences for a script
    that comes before it has made them, and before it has taken them back."""

    makes: Callable[[Change], bool]
    prefix: str
    early: str
    early_back: str


class Parts(Struct, frozen=True):
    """The steps before the tool, the one that edits the template (the tool does), and those after it."""

    opening: tuple[Step, ...]
    edited: tuple[Step, ...]
    closing: tuple[Step, ...]


def around(plan: Plan, tool: Tool) -> tuple[dict[str, str], Objects]:
    """The scripts around the tool, and the objects as it is to leave them."""
    parts = parts_of(plan)
    before = before_tool(plan, tool, parts)
    after, between = after_tool(plan, tool, parts, before.objects)
    back = way_back(plan, tool, parts)
    return {
        "functions.sh": functions(),
        **before.finish(f"{tool.prefix}before.sh", "done: see README.txt for the next step"),
        **after.finish(f"{tool.prefix}after.sh", "done: see README.txt for what is left"),
        **back.finish("rollback.sh", "done: all changes of the scripts were rolled back"),
    }, between


def parts_of(plan: Plan) -> Parts:
    """Where the tool comes in: at the edit of the template, else at the first step that waits, were it only between the
    rounds of a restart, since the tool opens sessions before it."""
    for index, step in enumerate(plan.steps):
        if any(map(edits_template, step.changes)):
            return Parts(plan.steps[:index], (step,), plan.steps[index + 1 :])
    waits = (
        index
        for index, step in enumerate(plan.steps)
        if step.needs or any(isinstance(change, Restart) for change in step.changes)
    )
    middle = next(waits, len(plan.steps))
    return Parts(plan.steps[:middle], (), plan.steps[middle:])


def before_tool(plan: Plan, tool: Tool, parts: Parts) -> Script:
    """The script that prepares."""
    comment = "Prepares the nodes; see README.txt for what comes next."
    script = new_script(plan, comment, plan.objects, f"{tool.prefix}before/")
    for step in parts.opening:
        script.run(step.why, step.changes, tool.makes)
    if any(step.settled for step in parts.edited):
        script.settle()
    return script


def after_tool(plan: Plan, tool: Tool, parts: Parts, objects: Objects) -> tuple[Script, Objects]:
    """The script that goes on once the tool has done its part, and the objects by then."""
    comment = "Goes on once README.txt's second step is done; see there whether another one follows."
    script = new_script(plan, comment, objects, f"{tool.prefix}after/")
    for step in parts.edited:
        script.run(step.why, step.changes, tool.makes)
        script.expect(plan.daemonset_key, tool.early)
    between = dict(script.objects)
    for step in parts.closing:
        script.wait(step.needs, WAITED)
        script.run(step.why, step.changes, tool.makes)
    script.wait(plan.needs, CHECKED)
    return script, between


def way_back(plan: Plan, tool: Tool, parts: Parts) -> Script:
    """The script that takes back what the others have done; it stops where the tool's turn has come."""
    script = script_back(plan, "Takes back what the scripts have done; see README.txt.")
    for step in inverse_steps(parts.closing):
        script.run(step.why, step.changes, tool.makes)
    for step in inverse_steps(parts.edited):
        script.run(step.why, list(filter(edits_template, step.changes)), tool.makes)
        script.expect(plan.daemonset_key, tool.early_back)
        script.settle()
        renewed = [change for change in step.changes if isinstance(change, Restart)]
        script.run("give the speakers the old template back, in rounds", renewed)
    script.wait(plan.needs)
    for step in inverse_steps(parts.opening):
        script.run(step.why, step.changes, tool.makes)
    return script

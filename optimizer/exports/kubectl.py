"""The plan as numbered files, with `apply.sh` and `rollback.sh` that need kubectl alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..kube.changes import Change, Objects, Patch, Restart, key_of
from ..kube.selectors import selector_text
from ..plan.plan import Case
from ..plan.template import Style
from .functions import FUNCTIONS
from .script import Goal, Script, Target

STYLE_FIELDS: Mapping[Style, tuple[str, ...]] = {
    "node-selector": ("nodeSelector",),
    "affinity": ("affinity",),
    "taints": ("nodeSelector", "tolerations"),
}
"""The fields of the pod spec that each style is made of."""

WAITED = "Nothing has been removed yet: find out why, then run this script again, or rollback.sh."
AGAIN = "Find out why, then run this script again; TIMEOUT=0 goes on without waiting."
CHECKED = "All changes have been made, but this is not as it should be; rollback.sh takes them back."


def target(case: Case) -> Target:
    """What the scripts look at."""
    metadata, spec = case.daemonset["metadata"], case.daemonset["spec"]
    namespace = metadata.get("namespace") or "default"
    return Target(namespace, metadata["name"], selector_text(spec.get("selector") or {}))


def new_script(case: Case, comment: str, objects: Objects, folder: str = "") -> Script:
    """A new script that starts with these objects and waits for the placement's speakers and sessions."""
    return Script(comment, target(case), goal(case.placement.speakers, case.wanted_sessions()), WAITED, objects, folder)


def script_back(case: Case, comment: str) -> Script:
    """A new script that starts with the objects after all steps and waits for today's speakers and sessions."""
    today = goal(case.cluster.today.speakers, case.todays_sessions())
    return Script(comment, target(case), today, AGAIN, case.after, "rollback/")


def goal(speakers: Iterable[str], sessions: Iterable[tuple[str, str]]) -> Goal:
    """These speakers and these sessions, as the scripts list them."""
    return Goal(tuple(speakers), tuple(f"{node} {peer}" for node, peer in sessions))


def kubectl_files(case: Case) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them."""
    apply = new_script(
        case,
        "Brings the speakers and their sessions to the placement; nothing is removed before what replaces it is up.\n"
        "Can be run again after an interruption. See functions.sh for the environment that it looks at.",
        case.objects,
    )
    for step in case.steps:
        apply.wait(step.wait, WAITED)
        if any(map(is_template, step.changes)):
            apply.settle()
        apply.run(step.why, step.changes)
    apply.wait(case.final_wait, CHECKED)

    back = script_back(
        case,
        "Takes back what apply.sh has done, all or a part of it; nothing is removed before what was there is up again.",
    )
    for step in reversed(case.steps):
        back.wait(step.undo_wait)
        back.run(f"take back: {step.why}", step.undo)
        if any(map(is_template, step.undo)):
            back.settle()
    return {
        "functions.sh": FUNCTIONS,
        **apply.finish("apply.sh", "done: the speakers and their sessions are as in the placement"),
        **back.finish("rollback.sh", "done: all changes are taken back"),
    }, README


README = """kubectl

apply.sh applies the numbered files in their order and waits, before anything is removed, until the new speakers
run and their sessions are established. Where the DaemonSet's template changes, its updateStrategy is OnDelete for
the time of the change (an annotation keeps what it was), and the speakers that stay are restarted in rounds while those
that leave still run; where it is OnDelete already, their restart is left to you.

rollback.sh takes everything back in the reverse order, with the files in rollback/. Both need kubectl alone, run from
any folder and can be run again; functions.sh names the settings that they take from the environment, such as KUBECTL
and TIMEOUT.
"""


def split_files(
    case: Case, manual: Callable[[Change], bool], prefix: str, how: str, back: str
) -> tuple[dict[str, str], Objects]:
    """The plan around changes that another tool makes: scripts for before and after it, and for the way back.

    `manual` are the changes of that tool; `how` and `back` are the sentences for a script that comes too early.
    Also returns the objects as the tool is to leave them.
    """
    template = next((i for i, step in enumerate(case.steps) if any(map(is_template, step.changes))), None)
    # The first step that waits, were it only between the rounds of a restart: the tool opens sessions before it.
    waits = (i for i, step in enumerate(case.steps) if step.wait or any(map(is_restart, step.changes)))
    middle = next(waits, len(case.steps)) if template is None else template
    opening, edited = case.steps[:middle], case.steps[middle : middle + (template is not None)]
    closing = case.steps[middle + len(edited) :]
    key = key_of(case.daemonset)

    before = new_script(
        case, "Prepares the nodes; see README.txt for what comes next.", case.objects, f"{prefix}before/"
    )
    for step in opening:
        before.run(step.why, step.changes, manual)
    if edited:
        before.settle()

    after = new_script(
        case, "Finishes the change once README.txt's second step is done.", before.objects, f"{prefix}after/"
    )
    for step in edited:
        after.run(step.why, step.changes, manual)
        after.expect(key, how)
    between = dict(after.objects)
    for step in closing:
        after.wait(step.wait, WAITED)
        after.run(step.why, step.changes, manual)
    after.wait(case.final_wait, CHECKED)

    rollback = script_back(case, "Takes back what the scripts have done; see README.txt.")
    for step in reversed(closing):
        rollback.run(f"take back: {step.why}", step.undo, manual)
    for step in edited:
        rollback.run(step.why, list(filter(is_template, step.undo)), manual)
        rollback.expect(key, back)
        rollback.settle()
        rollback.run("give the speakers the old template back, in rounds", list(filter(is_restart, step.undo)))
    rollback.wait(case.final_wait)
    for step in reversed(opening):
        rollback.run(f"take back: {step.why}", step.undo, manual)
    return {
        "functions.sh": FUNCTIONS,
        **before.finish(f"{prefix}before.sh", "done: see README.txt for the next step"),
        **after.finish(f"{prefix}after.sh", "done: see README.txt for what is left"),
        **rollback.finish("rollback.sh", "done: all changes of the scripts are taken back"),
    }, between


def is_template(change: Change) -> bool:
    """Whether a change is the edit of the DaemonSet's template."""
    if not isinstance(change, Patch) or change.kind != "DaemonSet":
        return False
    return change.type == "json" or "template" in change.body["spec"]


def is_restart(change: Change) -> bool:
    """Whether a change is a restart of speakers."""
    return isinstance(change, Restart)

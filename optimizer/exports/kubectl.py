"""The plan as numbered files, with `apply.sh` and `rollback.sh` that need kubectl and the tools of POSIX."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InputError
from ..kube.changes import Objects
from ..kube.selectors import selector_text
from ..plan.inverse import ends_with_template, inverse_steps
from ..plan.plan import Plan
from .script import Awaited, Script, Watched, functions

WAITED = "Nothing has been removed yet: find out why, then run this script again, or rollback.sh."
AGAIN = (
    "Find out why, then run this script again. TIMEOUT=0 goes on without waiting and without rounds: the DaemonSet "
    "then restarts outdated speakers by itself, without a look at their sessions."
)
CHECKED = "All changes have been made, but this is not as it should be; rollback.sh takes them back."


def watched(plan: Plan) -> Watched:
    """What the scripts look at."""
    if plan.daemonset is None:
        raise InputError("the input has no speaker DaemonSet, by whose pods the scripts know that speakers run")
    metadata, spec = plan.daemonset["metadata"], plan.daemonset["spec"]
    namespace = metadata.get("namespace") or "default"
    return Watched(namespace, metadata["name"], selector_text(spec.get("selector") or {}), plan.product)


def new_script(plan: Plan, comment: str, objects: Objects, folder: str = "") -> Script:
    """A new script that starts with these objects and waits for the placement's speakers and sessions."""
    goal = awaited(plan.placement.speakers, plan.wanted_sessions())
    return Script(comment, watched(plan), goal, WAITED, objects, folder)


def script_back(plan: Plan, comment: str) -> Script:
    """A new script that starts with the objects after all steps and waits for today's speakers and sessions."""
    goal = awaited(plan.cluster.today.speakers, plan.todays_sessions())
    return Script(comment, watched(plan), goal, AGAIN, plan.after, "rollback/")


def awaited(speakers: Iterable[str], sessions: Iterable[tuple[str, str]]) -> Awaited:
    """These speakers and these sessions, as the scripts list them."""
    return Awaited(tuple(speakers), tuple(f"{node} {peer}" for node, peer in sessions))


def kubectl_files(plan: Plan) -> tuple[dict[str, str], str]:
    """The files, and what README.txt says of them."""
    apply = new_script(
        plan,
        "Brings the speakers and their sessions to the placement; nothing is removed before what replaces it is up.\n"
        "Can be run again after an interruption. See functions.sh for the environment that it looks at.",
        plan.objects,
    )
    apply.carry_out(plan.steps, WAITED)
    apply.wait(plan.needs, CHECKED)
    back = script_back(
        plan,
        "Takes back what apply.sh has done, all or a part of it; nothing is removed before what was there is up again.",
    )
    steps_back = inverse_steps(plan.steps)
    back.carry_out(steps_back)
    if ends_with_template(steps_back):
        back.settle()
    return {
        "functions.sh": functions(),
        **apply.finish("apply.sh", "done: the speakers and their sessions are as in the placement"),
        **back.finish("rollback.sh", "done: all changes were rolled back"),
    }, README


README = """kubectl

apply.sh applies the numbered files in their order and waits, before anything is removed, until the new speakers
run and their sessions are established. Where the DaemonSet's template changes, its updateStrategy is OnDelete for
the time of the change (an annotation keeps what it was), and the speakers that stay are restarted in rounds while those
that leave still run; where it is OnDelete already, their restart is left to you.

rollback.sh takes everything back in the reverse order, with the files in rollback/.
"""

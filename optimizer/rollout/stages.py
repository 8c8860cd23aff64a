"""The steps of a plan as a live cluster gets them: every patch with a test of what it replaces, in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jsonpointer import resolve_pointer
from msgspec import structs

from ..errors import InputError
from ..kube.changes import Change, Label, Objects, Patch, Restart, TaintNodes, inverse, make
from ..kube.patches import edit, merge
from ..model import Cluster
from ..plan.budget import groups_of
from ..plan.plan import Plan
from ..plan.restarts import rounds
from ..plan.steps import Step
from ..plan.template import POD_SPEC
from .waypoints import over_limit

MAX_PARALLEL = 100
"""Speakers that start, stop or restart at once, where nothing else is said."""


def stages(
    plan: Plan,
    max_parallel: int = MAX_PARALLEL,
    allow_break: bool = False,
    outdated: Collection[str] | None = None,
) -> tuple[Step, ...]:
    """The steps of a plan in batches, under tests. `outdated` are the nodes whose speakers alone have an old template,
    where that is known.

    Raises InputError where a router would have more sessions than its limit, or fewer than it is to keep, meanwhile
    and that is not allowed.
    """
    steps = plan.steps if outdated is None else tuple(restarting_only(plan, outdated))
    found = []
    objects = dict(plan.objects)
    for step in steps:
        changes: list[Change] = []
        undo: list[Change] = []
        for change in step.changes:
            tested = under_test(objects, change)
            undo = [*(under_hold(objects, each) for each in inverse(objects, tested)), *undo]
            make(objects, tested)
            changes.append(tested)
        found.append(
            structs.replace(
                step,
                batches=tuple(in_batches(plan.cluster, changes, step.stops, max_parallel)),
                undo=(*undo, *(change for change in step.undo if isinstance(change, Restart))),
                # A DaemonSet that is let go restarts whatever has an old template: nothing may have one by then.
                needs=plan.needs if step.current else step.needs,
            )
        )
    if plan.policy.mode == "bgp" and not allow_break:
        refuse_break(plan, found)
    return tuple(found)


def restarting_only(plan: Plan, names: Collection[str]) -> Iterable[Step]:
    """The steps of a plan, with restarts of these speakers alone."""
    for step in plan.steps:
        if all(isinstance(change, Restart) for change in step.changes):
            rounds = (tuple(name for name in part if name in names) for part in restarted(step.changes))
            kept = tuple(part for part in rounds if part)
            away = plan.budget.away(kept)
            flows = {
                router: structs.replace(flow, reset=away[router])
                for router, flow in step.sessions.items()
                if away[router] or flow.opened or flow.closed
            }
            step = structs.replace(step, batches=((Restart(kept),),) if kept else (), sessions=flows)
        if step.changes or step.undo:
            yield step


def restarted(changes: Iterable[Change]) -> Iterable[tuple[str, ...]]:
    """The rounds of all restarts."""
    return (part for change in changes if isinstance(change, Restart) for part in change.rounds)


def under_test(objects: Objects, change: Change) -> Change:
    """The same change as a JSON patch that tests whatever it replaces, as `objects` have it."""
    if not isinstance(change, Patch):
        return change
    old = objects[change.kind, change.namespace, change.name]
    operations = change.body
    if change.type == "merge":
        new = merge(old, change.body)
        operations = [
            *edit("/metadata/annotations", old["metadata"].get("annotations"), new["metadata"].get("annotations")),
            *edit("/spec", old["spec"], new["spec"]),
        ]
    tested = {each["path"] for each in operations if each["op"] == "test"}
    body = []
    for each in operations:
        if each["op"] != "test" and each["path"] not in tested:
            body.append({"op": "test", "path": each["path"], "value": resolve_pointer(old, each["path"], None)})
        body.append(each)
    return structs.replace(change, type="json", body=[*while_held(old, body), *body])


def under_hold(objects: Objects, change: Change) -> Change:
    """The change that takes an edit of the template back, as long as the DaemonSet is held as it is for the edit."""
    if not isinstance(change, Patch) or change.kind != "DaemonSet":
        return change
    daemonset = objects[change.kind, change.namespace, change.name]
    return structs.replace(change, body=[*while_held(daemonset, change.body), *change.body])


def while_held(daemonset: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The test that an edit of the template needs: once somebody lets the DaemonSet go, it would restart everything."""
    if not any(each["path"].startswith(POD_SPEC) for each in operations):
        return []
    path = "/spec/updateStrategy/type"
    return [{"op": "test", "path": path, "value": resolve_pointer(daemonset, path, None)}]


def in_batches(
    cluster: Cluster, changes: Iterable[Change], stops: tuple[str, ...], most: int
) -> Iterable[tuple[Change, ...]]:
    """The changes in batches of at most `most` nodes; with them the speakers on the nodes `stops` stop."""
    together: list[Change] = []
    for change in changes:
        if isinstance(change, Restart):
            for names in change.rounds:
                yield from (((Restart((part,)),)) for part in chunks(names, most))
        elif isinstance(change, Label) and stops:
            stopping = frozenset(stops).intersection(change.nodes)
            others = tuple(name for name in change.nodes if name not in stopping)
            yield from ((structs.replace(change, nodes=part),) for part in chunks(others, most))
            for names in stop_rounds(cluster, stopping, most):
                yield (structs.replace(change, nodes=names),)
        elif isinstance(change, Label | TaintNodes):
            yield from ((structs.replace(change, nodes=part),) for part in chunks(change.nodes, most))
        else:
            together.append(change)
    if together:
        yield tuple(together)


def stop_rounds(cluster: Cluster, names: frozenset[str], most: int) -> tuple[tuple[str, ...], ...]:
    """The speakers that stop, in rounds of which each takes at most a tenth of a router's sessions today, but at
    least one.

    All that is to stay is up by then, so whichever failure domain fails meanwhile, enough survives.
    """
    groups = groups_of(cluster, names, {})
    today = cluster.today.held
    at_once: dict[str, int] = {}
    for router, group in groups.of_router.items():
        most = max(1, len(today.get(router, ())) // 10)
        at_once[group] = min(most, at_once.get(group, most))
    return rounds(names, groups.of_node, at_once, most)


def chunks(names: tuple[str, ...], most: int) -> list[tuple[str, ...]]:
    """Names in parts of at most `most`.

    >>> chunks(("a", "b", "c"), 2)
    [('a', 'b'), ('c',)]
    """
    return [names[start : start + most] for start in range(0, len(names), most)]


def refuse_break(plan: Plan, steps: Iterable[Step]) -> None:
    """Raise InputError where routers would be over their limit, or short of sessions, on the way."""
    if over := over_limit(plan.budget):
        name = min(over)
        both, limit = over[name]
        raise InputError(
            f"router {name} would have {both} sessions, old and new together, over its limit of {limit}"
            f"{others(over)}; --allow-break closes some of the old ones first"
        )
    names = {name for step in steps for part in restarted(step.changes) for name in part}
    met = {session.router for session in plan.placement.sessions if session.node in names}
    if short := [router for router in plan.budget.short if router in met]:
        raise InputError(
            f"router {short[0]} has no session to spare while its speakers restart for the changed template"
            f"{others(short)}; --allow-break lets it be one short, and --speaker-label KEY=VALUE with the label that "
            "the DaemonSet asks for already needs no restart"
        )


def others(names: Iterable[str]) -> str:
    """How many more there are than the one that is named."""
    number = len(list(names)) - 1
    return f" (and {number} more like it)" if number else ""

"""A plan for a live cluster, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from ..kube.changes import Change, Create, Delete, Label, Patch, Restart, TaintNodes, key_of
from ..plan.steps import Flow, Step
from ..rollout.dry_run import Edit, Preview
from ..rollout.live_plan import LivePlan
from ..rollout.rollback_file import fingerprint
from ..words import listed, plural
from .text import paragraph

SHOWN = 6
WAITS = {
    "": "",
    "running": "all chosen speakers ready",
    "established": "all chosen speakers ready and their sessions ESTABLISHED, each since its speaker's start",
}


def plan_json(live: LivePlan, seen: Preview, advice: str) -> bytes:
    """The plan as JSON, the same for the same cluster."""
    placement = live.plan.placement
    data = {
        "apiVersion": "bgp-speakers/v1",
        "kind": "Plan",
        "style": live.plan.style,
        "placement": fingerprint(placement),
        "hops": [
            {"closes": msgspec.to_builtins(each.closes), "opens": msgspec.to_builtins(each.opens)}
            for each in live.waypoints
        ],
        "steps": [step_data(step) for step in live.steps],
        "edits": msgspec.to_builtins(seen.edits),
        "refused": msgspec.to_builtins(seen.refused),
        "managedBy": advice,
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


def step_data(step: Step) -> dict[str, Any]:
    """One step."""
    return {
        "name": step.name,
        "slug": step.name,  # as the name was called first
        "why": step.why,
        "waitsFor": waits(step),
        "disturbs": step.disturbs,
        "batches": msgspec.to_builtins(step.batches),
        "sessions": {router: flow_data(flow) for router, flow in step.sessions.items()},
    }


def flow_data(flow: Flow) -> dict[str, int | None]:
    """The sessions of one router."""
    return {
        "before": flow.before,
        "least": flow.least,
        "most": flow.most,
        "after": flow.after,
        "limit": flow.limit,
    }


def plan_text(live: LivePlan, seen: Preview, verbose: bool = False) -> str:
    """The plan as text: a paragraph a step, then what the server says to it."""
    cluster, placement = live.cluster, live.plan.placement
    if not live.steps:
        return paragraph("plan", "nothing to change: the cluster is as the placement wants it")
    today = sum(len(nodes) for nodes in cluster.today.held.values())
    lines = [
        (
            "plan",
            f"{plural(len(live.steps), 'step')}, {today} sessions of {len(cluster.today.speakers)} speakers -> "
            f"{len(placement.sessions)} of {len(placement.speakers)}; nothing has been written yet",
        )
    ]
    lines += waypoint_lines(live)
    for number, step in enumerate(live.steps, 1):
        lines += step_lines(number, step, verbose)
    lines += server_lines(seen, verbose)
    return "".join(paragraph(label, line) for label, line in lines)


def waypoint_lines(live: LivePlan) -> list[tuple[str, str]]:
    """The placements in between, where limits need them."""
    told = [("hops", f"{len(live.waypoints)}, since old and new do not fit together; below are the steps of the first")]
    for number, waypoint in enumerate(live.waypoints, 1):
        sessions = waypoint.closes or waypoint.opens
        shown = listed([f"{each.node} - {each.router}" for each in sessions], SHOWN)
        told.append((f"  hop {number}", f"{'closes' if waypoint.closes else 'opens'} {shown}"))
    return told if live.waypoints else []


def step_lines(number: int, step: Step, verbose: bool) -> list[tuple[str, str]]:
    """One step: what it changes, waits for and disturbs."""
    lines = [(f"step {number}", f"{step.name}: {step.why}")]
    if waited := waits(step):
        lines.append(("  waits for", waited))
    lines += [("  changes", change) for change in changes(step, verbose)]
    lines.append(("  disturbs", step.disturbs))
    if step.sessions:
        lines.append(("  sessions", sessions(step.sessions)))
        if verbose:
            lines += [("", f"{router}: {flow_text(flow)}") for router, flow in step.sessions.items()]
    return lines


def waits(step: Step) -> str:
    """What a step waits for, before it and between its batches."""
    if any(isinstance(change, Restart) for change in step.changes):
        return "before each round: all chosen speakers ready, their sessions ESTABLISHED, enough of others to spare"
    return WAITS[step.needs]


def changes(step: Step, verbose: bool) -> list[str]:
    """What a step changes, its batches put together."""
    nodes: dict[str, list[str]] = {}
    batches: Counter[str] = Counter()
    single = []
    for batch in step.batches:
        for change in batch:
            if isinstance(change, Label | TaintNodes | Restart):
                what = of_nodes(change)
                nodes.setdefault(what, []).extend(names_of(change))
                batches[what] += 1
            else:
                single.append(of_object(change))
    return [
        f"{what} {plural(len(names), 'node')} in {batches[what]} batch{'es' if batches[what] != 1 else ''}: "
        f"{listed(names, len(names) if verbose else SHOWN)}"
        for what, names in nodes.items()
    ] + (single if verbose or len(single) <= SHOWN else [*single[:SHOWN], f"... and {len(single) - SHOWN} more"])


def of_nodes(change: Label | TaintNodes | Restart) -> str:
    """What happens to nodes."""
    match change:
        case Label(key, None, _):
            return f"label {key} off"
        case Label(key, value, _):
            return f"label {key}={value} on"
        case TaintNodes(taint, present, _):
            return f"taint {taint.key}={taint.value}:{taint.effect} {'on' if present else 'off'}"
    return "restart of the speakers with the old template on"


def names_of(change: Label | TaintNodes | Restart) -> list[str]:
    """The nodes of a change."""
    if isinstance(change, Restart):
        return [name for names in change.rounds for name in names]
    return list(change.nodes)


def of_object(change: Change) -> str:
    """A change of one object."""
    match change:
        case Patch(kind, namespace, name, _, body):
            fields = dict.fromkeys(
                each["path"].strip("/").replace("/", ".").replace("~1", "/") for each in body if each["op"] != "test"
            )
            return f"{kind} {'/'.join(filter(None, (namespace, name)))}: {', '.join(fields)}"
        case Create(manifest):
            return f"new {' '.join(filter(None, key_of(manifest)))}"
        case Delete(kind, _, name):
            return f"deletion of {kind} {name}"
    return ""


def sessions(found: Mapping[str, Flow]) -> str:
    """The sessions of all routers together, of the one with the most for its limit, and of the one with the least."""
    before, after = (sum(getattr(level, name) for level in found.values()) for name in ("before", "after"))
    low = min(found, key=lambda name: (found[name].least, name))
    limited = [name for name, level in found.items() if level.limit]
    told = f"{before} -> {after} on {plural(len(found), 'router')}; at least {found[low].least} meanwhile ({low})"
    if limited:
        full = max(limited, key=lambda name: (found[name].most / (found[name].limit or 1), name))
        told += f", at most {found[full].most} of {found[full].limit} ({full})"
    else:
        high = max(found, key=lambda name: (found[name].most, name))
        told += f", at most {found[high].most} ({high})"
    return told


def flow_text(flow: Flow) -> str:
    """The sessions of one router."""
    limit = f" of {flow.limit}" if flow.limit is not None else ""
    return f"{flow.before} -> {flow.after}, {flow.least} to {flow.most}{limit} meanwhile"


def server_lines(seen: Preview, verbose: bool) -> list[tuple[str, str]]:
    """What the server says to the plan."""
    groups: dict[str, list[str]] = {}
    for each in seen.edits:
        groups.setdefault(edit_text(each), []).append(each.object)
    lines = [("diff", f"{listed(names, len(names) if verbose else SHOWN)}: {text}") for text, names in groups.items()]
    if not verbose and len(lines) > 4 * SHOWN:
        lines = [*lines[: 4 * SHOWN], ("diff", f"... and {len(lines) - 4 * SHOWN} more (all with -v)")]
    lines += [("refused", f"{each.object}: {each.why}") for each in seen.refused]
    if not seen.refused:
        lines.append(("server", "would accept every change (asked with dryRun=All)"))
    return lines


def edit_text(edit: Edit) -> str:
    """One field before and after."""
    old, new = (text(value) for value in (edit.old, edit.new))
    return f"{edit.field}: {old} -> {new}" if edit.field else f"{old} -> {new}"


def text(value: Any) -> str:
    """A value in short."""
    if value is None:
        return "(absent)"
    shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return shown if len(shown) <= 200 else f"{shown[:200]} ..."

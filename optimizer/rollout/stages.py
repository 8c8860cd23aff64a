"""A plan as a live cluster gets it: every patch with a test of what it replaces, in batches, with what it does to
each router's sessions on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jsonpointer import resolve_pointer
from msgspec import Struct, structs

from ..checks.manifests import running_speakers
from ..errors import InputError
from ..kube.changes import Change, Label, Objects, Patch, Restart, TaintNodes, inverse, make
from ..kube.patches import edit, merge
from ..model import Cluster, Placement, Policy
from ..plan.restarts import added_sessions, groups_of, holds, rounds, short_meanwhile
from ..plan.steps import Step, Wait
from ..plan.template import POD_SPEC
from ..words import plural
from .waypoints import over_limit

BEFORE = ("hold-restarts", "open-peers")
"""The steps with which no speaker starts."""

MAX_PARALLEL = 100
"""Speakers that start, stop or restart at once, where nothing else is said."""


class Level(Struct, frozen=True, rename="camel"):
    """The sessions of one router: before a stage, the least and the most while it runs, and after it."""

    before: int
    least: int
    most: int
    after: int
    limit: int | None = None


class Stage(Struct, frozen=True):
    """One step of a plan for a live cluster: its batches, one after another, and the way back.

    `wait` is what must hold before it, of the speakers on `awaited`; between two batches the same must hold of those
    that have been started by then. `levels` are of the routers whose sessions change; `disturbs` says it in words.
    """

    slug: str
    why: str
    batches: tuple[tuple[Change, ...], ...]
    undo: tuple[Change, ...]
    wait: Wait
    undo_wait: Wait
    disturbs: str
    levels: Mapping[str, Level] = {}


def stages(
    cluster: Cluster,
    policy: Policy,
    placement: Placement,
    objects: Objects,
    steps: Iterable[Step],
    max_parallel: int = MAX_PARALLEL,
    allow_break: bool = False,
    outdated: Collection[str] | None = None,
) -> tuple[Stage, ...]:
    """The steps of a plan as stages; `objects` are as they are today. `outdated` are the nodes whose speakers alone
    have an old template, where that is known.

    Raises InputError where a router would have more sessions than its limit, or fewer than it is to keep, meanwhile
    and that is not allowed.
    """
    steps = tuple(steps) if outdated is None else tuple(restarting_only(steps, outdated))
    leaving = frozenset(cluster.today.speakers).difference(placement.speakers)
    waiting = frozenset(placement.speakers).difference(cluster.today.speakers)
    up: Wait = "established" if policy.mode == "bgp" else "running"
    levels = Levels(cluster, placement)
    found = []
    objects = dict(objects)
    for step in steps:
        changes: list[Change] = []
        undo: list[Change] = []
        for change in step.changes:
            tested = under_test(objects, change)
            undo = [*(under_hold(objects, each) for each in inverse(objects, tested)), *undo]
            make(objects, tested)
            changes.append(tested)
        started = starting(objects, waiting) if step.slug not in BEFORE else frozenset[str]()
        waiting -= started
        stops = step.slug == "unlabel-nodes"
        found.append(
            Stage(
                slug=step.slug,
                why=step.why,
                batches=tuple(in_batches(cluster, changes, leaving if stops else None, max_parallel)),
                undo=(*undo, *(change for change in step.undo if isinstance(change, Restart))),
                # A DaemonSet that is let go restarts whatever has an old template: nothing may have one by then.
                wait=up if step.slug == "resume-restarts" else step.wait,
                undo_wait=step.undo_wait,
                disturbs=disturbance(step, leaving, len(started)),
                levels=levels.of(step, started) if policy.mode == "bgp" else {},
            )
        )
    if policy.mode == "bgp" and not allow_break:
        refuse_break(cluster, policy, placement, found)
    return tuple(found)


def restarting_only(steps: Iterable[Step], names: Collection[str]) -> Iterable[Step]:
    """The steps, with restarts of these speakers alone."""
    for step in steps:
        if step.slug == "restart-speakers":
            rounds = (tuple(name for name in part if name in names) for part in restarted(step.changes))
            kept = tuple(part for part in rounds if part)
            step = structs.replace(step, changes=(Restart(kept),) if kept else ())
        if step.changes or step.undo:
            yield step


def restarted(changes: Iterable[Change]) -> Iterable[tuple[str, ...]]:
    """The rounds of all restarts."""
    return (part for change in changes if isinstance(change, Restart) for part in change.rounds)


def starting(objects: Objects, names: frozenset[str]) -> frozenset[str]:
    """Those of the nodes on which the DaemonSet runs a speaker by now."""
    if not names:
        return names
    daemonset = next(each for (kind, _, _), each in objects.items() if kind == "DaemonSet")
    nodes = {name: objects["Node", "", name] for name in names}
    return frozenset(name for name, _ in running_speakers(nodes, daemonset))


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
    cluster: Cluster, changes: Iterable[Change], leaving: frozenset[str] | None, most: int
) -> Iterable[tuple[Change, ...]]:
    """The changes in batches of at most `most` nodes. `leaving` are the speakers that stop, None where none does."""
    together: list[Change] = []
    for change in changes:
        if isinstance(change, Restart):
            for names in change.rounds:
                yield from (((Restart((part,)),)) for part in chunks(names, most))
        elif isinstance(change, Label | TaintNodes) and leaving is not None:
            stopping = leaving.intersection(change.nodes)
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
    """The speakers that stop, in rounds of which each takes at most a tenth of a router's sessions today.

    All that is to stay is up by then, so whichever failure domain fails meanwhile, enough survives.
    """
    groups, group_of = groups_of(cluster, names, {})
    today = cluster.today.sessions
    at_once = {group: max(1, len(today.get(group, ())) // 10) for group in group_of.values()}
    return rounds(names, groups, at_once, most)


def chunks(names: tuple[str, ...], most: int) -> list[tuple[str, ...]]:
    """Names in parts of at most `most`.

    >>> chunks(("a", "b", "c"), 2)
    [('a', 'b'), ('c',)]
    """
    return [names[start : start + most] for start in range(0, len(names), most)]


def disturbance(step: Step, leaving: frozenset[str], started: int) -> str:
    """What a step disturbs, in words."""
    labelled = {name for change in step.changes if isinstance(change, Label) for name in change.nodes}
    starts = f"{plural(started, 'speaker')} {'starts' if started == 1 else 'start'}, none stops"
    match step.slug:
        case "hold-restarts" | "resume-restarts":
            return "nothing: no pod is outdated" if step.slug == "resume-restarts" else "nothing"
        case "open-peers":
            return "every speaker looks at these BgpPeers again: sessions open, none closes"
        case "close-peers":
            return "every speaker looks at these BgpPeers again: the sessions that no longer match close"
        case "label-speakers":
            return starts
        case "unlabel-nodes":
            stopped = len(labelled & leaving)
            return f"{plural(stopped, 'speaker')} {'stops' if stopped == 1 else 'stop'}"
        case "daemonset":
            if started:
                return f"{starts}, and none is restarted by the DaemonSet"
            return "nothing: all of today's speakers match, and none is restarted by the DaemonSet"
        case "restart-speakers":
            return "each of these speakers restarts once, if its pod has the old template"
        case "taint-nodes":
            return "other pods without the toleration are not created again on these nodes"
        case _:
            return "other pods may run on these nodes" + (f"; {starts}" if started else "")


class Levels:
    """The sessions of each router as the steps of a plan open and close them."""

    def __init__(self, cluster: Cluster, placement: Placement) -> None:
        today, chosen = cluster.today.sessions, frozenset(placement.speakers)
        running = frozenset(cluster.today.speakers)
        self.limits = {router.name: router.max_sessions for router in cluster.routers}
        self.groups, self.group_of = groups_of(cluster, chosen, added_sessions(cluster, placement.sessions))
        self.now = Counter({router: len(nodes) for router, nodes in today.items()})
        # A session opens when it is let where a speaker runs already, elsewhere when the speaker starts.
        self.opened = Counter[str]()
        self.starts: defaultdict[str, list[str]] = defaultdict(list)
        kept: Counter[str] = Counter()
        for session in placement.sessions:
            if holds(today.get(session.router, ()), session.node):
                kept[session.router] += 1
            elif session.node in running:
                self.opened[session.router] += 1
            else:
                self.starts[session.node].append(session.router)
        staying: dict[tuple[str, ...] | None, int] = {}
        self.closed: dict[str, Counter[str]] = {"unlabel-nodes": Counter(), "close-peers": Counter()}
        for router, nodes in today.items():
            key = None if cluster.today.everywhere(router) else nodes
            stay = staying[key] if key in staying else staying.setdefault(key, len(chosen.intersection(nodes)))
            self.closed["unlabel-nodes"][router] = len(nodes) - stay
            self.closed["close-peers"][router] = stay - kept[router]

    def of(self, step: Step, started: Iterable[str]) -> dict[str, Level]:
        """The levels of the routers that a step with which these speakers start changes, sorted by name; the step is
        taken as made from then on."""
        more = Counter(router for node in started for router in self.starts.get(node, ()))
        if step.slug == "open-peers":
            more += self.opened
        fewer = self.closed.get(step.slug, Counter())
        dips: Counter[str] = Counter()
        for change in step.changes:
            if isinstance(change, Restart):
                dips = self.dips(change)
        found = {}
        for router in sorted({name for part in (more, fewer, dips) for name, number in part.items() if number}):
            before = self.now[router]
            after = before + more[router] - fewer[router]
            least = min(before, after) - dips[router]
            found[router] = Level(before, least, max(before, after), after, self.limits.get(router))
            self.now[router] = after
        return found

    def dips(self, change: Restart) -> Counter[str]:
        """The most sessions that each router is without while the rounds of a restart are made."""
        by_group: Counter[str] = Counter()
        for names in change.rounds:
            met = Counter(group for name in names for group in self.groups.get(name, ()))
            for group, number in met.items():
                by_group[group] = max(by_group[group], number)
        return Counter({router: by_group[group] for router, group in self.group_of.items()})


def refuse_break(cluster: Cluster, policy: Policy, placement: Placement, found: Iterable[Stage]) -> None:
    """Raise InputError where routers would be over their limit, or short of sessions, on the way."""
    if over := over_limit(cluster, placement):
        name = min(over)
        both, limit = over[name]
        raise InputError(
            f"router {name} would have {both} sessions, old and new together, over its limit of {limit}"
            f"{others(over)}; --allow-break closes some of the old ones first"
        )
    names = {name for stage in found for batch in stage.batches for part in restarted(batch) for name in part}
    met = {session.router for session in placement.sessions if session.node in names}
    if short := [router for router in short_meanwhile(cluster, policy, placement) if router in met]:
        raise InputError(
            f"router {short[0]} has no session to spare while its speakers restart for the changed template"
            f"{others(short)}; --allow-break lets it be one short, and --speaker-label KEY=VALUE with the label that "
            "the DaemonSet asks for already needs no restart"
        )


def others(names: Iterable[str]) -> str:
    """How many more there are than the one that is named."""
    number = len(list(names)) - 1
    return f" (and {number} more like it)" if number else ""

"""From today to the placement: steps in an order that closes nothing too early, each with its exact inverse.

The opening steps come first: peer objects that admit the new sessions, labels on the speakers' nodes, the DaemonSet.
Only when the chosen speakers run and their sessions are established do the closing steps follow: labels off the
nodes that leave, peer objects narrowed, taints. The label is used in every style: changing it disturbs no speaker but
that node's, whereas an edit of the DaemonSet's template restarts all of them.

Where the template is edited nevertheless, the DaemonSet is kept from restarting its pods: it would go on when a pod
is ready, not when its sessions are established. The chosen speakers are restarted in rounds while those that are to
leave still run, so that these hold the routers meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from ..checks.manifests import running_speakers
from ..errors import InputError
from ..kube.changes import Change, Label, Objects, Restart, TaintNodes, inverse, make
from ..model import Cluster, Placement, Policy, Taint
from ..speakers import product_named
from ..speakers.product import PeerEdits, Product
from ..words import plural
from .budget import Budget, flows
from .hold import hold_and_resume, is_held
from .restarts import restart, restart_back
from .steps import Flow, Step, needs_of
from .template import Style, edits_template, foreign_demand, marks, pod_spec, restricts, template_change


class Draft(Struct, frozen=True):
    """A step before it is known what speakers start with it.

    `opens` and `closes` are the sessions that do so with it besides those of the speakers that start, by router;
    `resets` the routers that lose all of theirs for a moment. `can_start`: speakers may start with it.
    """

    step: Step
    opens: Mapping[str, int] = {}
    closes: Mapping[str, int] = {}
    resets: tuple[str, ...] = ()
    can_start: bool = True


class Marks(Struct, frozen=True):
    """Nodes by what the speaker label and the taint of its name do there.

    `chosen` are the placement's speakers, `leaving` today's others. `labelled` carry the label today, `for_now` until
    what is new is up; `marked` carry it with whatever value the DaemonSet takes. `tainted` carry the taint today.
    """

    chosen: frozenset[str]
    leaving: frozenset[str]
    labelled: frozenset[str]
    marked: frozenset[str]
    for_now: frozenset[str]
    tainted: frozenset[str]


def peer_steps(peers: PeerEdits, product: Product, budget: Budget) -> tuple[Draft, Draft]:
    """The edits of peer objects that open what is new, and those that close what is no longer wanted."""
    opening = draft(
        "open-peers",
        "let the new sessions open; none closes",
        "close the sessions that were opened for the placement",
        peers.early,
        product.disturbance(True),
    )
    closing = draft(
        "close-peers",
        "close the sessions that are no longer needed",
        "let the sessions that were closed open again",
        peers.late,
        product.disturbance(False),
    )
    return (
        structs.replace(opening, opens=budget.opened, resets=peers.resets, can_start=False),
        structs.replace(closing, closes=budget.narrowed, resets=peers.resets),
    )


def speaker_steps(
    cluster: Cluster, policy: Policy, placement: Placement, style: Style, budget: Budget, daemonset: Mapping[str, Any]
) -> tuple[list[Draft], list[Draft]]:
    """The steps of labels, taints and the DaemonSet before everything that is new is up, and those after it; the first
    of these stops speakers."""
    taint = Taint(policy.speaker.label[0], "NoSchedule", policy.speaker.label[1])
    nodes = marks_of(cluster, policy, placement, taint)
    if style == "taints":
        check_taint(cluster, taint, nodes.chosen)
    untaint, free, keep = taint_steps(nodes, taint, style == "taints")
    label, stop = label_steps(nodes, policy.speaker.label, budget)

    template = template_change(daemonset, policy.speaker.label, style)
    hold, resume = hold_and_resume(daemonset, bool(template))
    renewed = (restart(cluster, policy, placement, budget),) if hold or is_held(daemonset) else ()
    # Taken back while the chosen speakers still hold the routers, but for those that need a new toleration.
    renewed_back = (restart_back(cluster, policy, budget, nodes.tainted),) if resume and template else ()
    held, edited, restarted, let_go = daemonset_steps(hold, template, renewed, renewed_back, resume)
    return [untaint, label, held, edited, restarted], [stop, free, keep, let_go]


def taint_steps(nodes: Marks, taint: Taint, wanted: bool) -> tuple[Draft, Draft, Draft]:
    """Taints off where they keep chosen speakers away, off where they are needless, and on where they are `wanted`."""
    needless = nodes.tainted - nodes.chosen if wanted else nodes.tainted
    # Without the toleration no speaker could start there. On other nodes the taint may keep one away until the end.
    blocking = frozenset[str]() if wanted else nodes.tainted & (nodes.chosen | nodes.leaving)
    missing = nodes.chosen - nodes.tainted if wanted else frozenset[str]()
    return (
        draft(
            "untaint-speakers",
            "let speakers run there without the toleration",
            "taint the nodes again that were tainted before",
            taint_changes(taint, False, blocking),
        ),
        draft(
            "untaint-nodes",
            "let other pods run there again",
            "keep other pods off these nodes again",
            taint_changes(taint, False, needless - blocking),
        ),
        draft(
            "taint-nodes",
            "keep other pods off the speakers' nodes",
            "let other pods run on the speakers' nodes again",
            taint_changes(taint, True, missing),
            "other pods without the toleration are not created again on these nodes",
        ),
    )


def label_steps(nodes: Marks, label: tuple[str, str], budget: Budget) -> tuple[Draft, Draft]:
    """Labels on all nodes that are to carry them for now, and off those that are not chosen."""
    off = label_changes(label, (), nodes.for_now - nodes.chosen)
    stops = tuple(sorted(nodes.leaving.intersection(name for change in off for name in change.nodes)))
    disturbs = f"{plural(len(stops), 'speaker')} {'stops' if len(stops) == 1 else 'stop'}"
    stop = Step(
        "unlabel-nodes",
        "stop the speakers that are no longer needed",
        batch(off),
        stops=stops,
        disturbs=disturbs,
        why_back="label the nodes again that had the label, so that the speakers that were stopped start",
    )
    on = draft(
        "label-speakers",
        "label the nodes of the chosen speakers and, for now, of those that leave",
        "give the nodes the speaker labels that they had before",
        label_changes(label, nodes.for_now - nodes.labelled, nodes.marked - nodes.for_now),
    )
    return on, Draft(stop, closes=budget.leaving)


def daemonset_steps(
    hold: tuple[Change, ...],
    template: tuple[Change, ...],
    renewed: tuple[Change, ...],
    renewed_back: tuple[Change, ...],
    resume: tuple[Change, ...],
) -> tuple[Draft, Draft, Draft, Draft]:
    """The DaemonSet held, its template edited, its speakers restarted on the way and back, and let go."""
    held = draft(
        "hold-restarts",
        "keep the DaemonSet from restarting its pods by itself",
        "give the DaemonSet its own update strategy again",
        hold,
        "nothing",
    )
    # All of today's speakers have the label by then, so the edit stops none.
    edited = Step(
        "daemonset",
        "let the DaemonSet run where the label is; no pod is restarted",
        batch(template),
        renewed_back,
        settled=True,
        why_back="give the DaemonSet the template that it had before"
        + ("; its speakers restart in rounds" if renewed_back else "; no pod is restarted"),
    )
    restarted = draft(
        "restart-speakers",
        "restart the speakers that stay and have the old template, in rounds",
        "",
        renewed,
        "each of these speakers restarts once, if its pod has the old template",
    )
    let_go = Step(
        "resume-restarts",
        "let the DaemonSet restart its pods by itself again; none is outdated",
        batch(resume),
        current=True,
        disturbs="nothing: no pod is outdated",
        why_back="keep the DaemonSet from restarting its pods by itself",
    )
    return structs.replace(held, can_start=False), Draft(edited), restarted, Draft(let_go)


def draft(name: str, why: str, why_back: str, changes: tuple[Change, ...], disturbs: str = "") -> Draft:
    """A step that is no more than its changes."""
    return Draft(Step(name, why, batch(changes), disturbs=disturbs, why_back=why_back))


def batch(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    """The changes in one batch, if there are any."""
    return (changes,) if changes else ()


def marks_of(cluster: Cluster, policy: Policy, placement: Placement, taint: Taint) -> Marks:
    """The nodes by what label and taint do there."""
    key, value = policy.speaker.label
    chosen = frozenset(placement.speakers)
    return Marks(
        chosen=chosen,
        leaving=frozenset(cluster.today.speakers) - chosen,
        labelled=frozenset(node.name for node in cluster.nodes if node.labels.get(key) == value),
        marked=marked_nodes(cluster, policy),
        for_now=labelled_for_now(cluster, policy, placement),
        tainted=frozenset(node.name for node in cluster.nodes if taint in node.taints),
    )


def labelled_for_now(cluster: Cluster, policy: Policy, placement: Placement) -> frozenset[str]:
    """The nodes that carry the label until what is new is up: the chosen ones, and others that stay so long.

    A template that does not yet ask for the label stops, on its edit, every speaker without the label. So all of
    today's speakers are labelled first: they hold the routers while what is new comes up and while the others restart.
    Where an agent runs on every node, no label is changed.
    """
    key, value = policy.speaker.label
    if not product_named(cluster.product).restrictable:
        return frozenset(node.name for node in cluster.nodes if node.labels.get(key) == value)
    chosen, running = frozenset(placement.speakers), frozenset(cluster.today.speakers)
    if cluster.speaker is not None and not restricts(pod_spec(cluster.speaker.manifest), key, value):
        return chosen | running
    return chosen | (marked_nodes(cluster, policy) & running)


def marked_nodes(cluster: Cluster, policy: Policy) -> frozenset[str]:
    """The nodes that carry the speaker label, of whatever value the DaemonSet takes."""
    marked = marks(pod_spec(cluster.speaker.manifest) if cluster.speaker else {}, *policy.speaker.label)
    return frozenset(node.name for node in cluster.nodes if marked(node.labels))


def check_label(cluster: Cluster, policy: Policy) -> None:
    """Raise InputError where the DaemonSet asks the speaker label's key for what the label does not meet."""
    if cluster.speaker is None:
        return
    key, value = policy.speaker.label
    if demand := foreign_demand(pod_spec(cluster.speaker.manifest), key, value):
        raise InputError(
            f"DaemonSet {cluster.speaker.namespace}/{cluster.speaker.name} asks for {demand}, which the speaker label "
            f"{key}={value} contradicts; name another label in the policy's speaker.label"
        )


def check_taint(cluster: Cluster, taint: Taint, chosen: frozenset[str]) -> None:
    """Raise InputError where a chosen node has a taint that ours would replace."""
    for node in cluster.nodes:
        for old in node.taints if node.name in chosen else ():
            if (old.key, old.effect) == (taint.key, taint.effect) and old.value != taint.value:
                raise InputError(
                    f"node {node.name} has the taint {old.key}={old.value}:{old.effect}, which the speakers' taint "
                    f"{taint.key}={taint.value}:{taint.effect} would replace; name another label in the policy's "
                    "speaker.label, or take another style"
                )


def sealed(
    drafts: tuple[Iterable[Draft], Iterable[Draft]],
    cluster: Cluster,
    policy: Policy,
    placement: Placement,
    budget: Budget,
    objects: Objects,
) -> tuple[Step, ...]:
    """The opening and the closing steps that change something, with their inverse, what is to be up before anything
    closes, and what they do to speakers and sessions."""
    needs = needs_of(policy)
    opening, closing = ([each for each in part if each.step.changes] for part in drafts)
    # Taken back, the DaemonSet opens; what was opened for the placement closes.
    closes_back = [each for each in opening if not any(map(replaces_speakers, each.step.changes))]
    waiting = frozenset(placement.speakers).difference(cluster.today.speakers)
    objects, now, steps = dict(objects), dict(budget.today), list[Step]()
    for each in (*opening, *closing):
        step, undo = each.step, list[Change]()
        for change in step.changes:
            undo = [*inverse(objects, change), *undo]
            make(objects, change)
        starts = starting(objects, waiting) if each.can_start else frozenset[str]()
        waiting -= starts
        sessions = sessions_of(each, starts, budget, now) if policy.mode == "bgp" else {}
        now.update({router: flow.after for router, flow in sessions.items()})
        steps.append(
            structs.replace(
                step,
                undo=(*undo, *step.undo),
                needs=needs if closing and each is closing[0] else "",
                needs_back=needs if closes_back and each is closes_back[-1] else "",
                starts=tuple(sorted(starts)),
                sessions=sessions,
                disturbs=step.disturbs or disturbance(step.changes, len(starts)),
            )
        )
    return tuple(steps)


def sessions_of(each: Draft, starts: Iterable[str], budget: Budget, now: Mapping[str, int]) -> dict[str, Flow]:
    """The sessions of the routers that a step changes with which these speakers start; `now` are those before it."""
    opened = Counter(router for name in starts for router in budget.starting.get(name, ()))
    opened.update(each.opens)
    restarts = (change for change in each.step.changes if isinstance(change, Restart))
    away = budget.away(names for change in restarts for names in change.rounds)
    away.update({router: now.get(router, 0) for router in each.resets})
    return flows(budget, now, opened, each.closes, away)


def replaces_speakers(change: Change) -> bool:
    """Whether speakers of an old template and of a new one take each other's place with a change."""
    return isinstance(change, Restart) or edits_template(change)


def starting(objects: Objects, names: frozenset[str]) -> frozenset[str]:
    """Those of the nodes on which the DaemonSet runs a speaker by now."""
    if not names:
        return names
    daemonset = next((each for (kind, _, _), each in objects.items() if kind == "DaemonSet"), None)
    if daemonset is None:
        return frozenset()
    nodes = {name: objects["Node", "", name] for name in names}
    return frozenset(name for name, _ in running_speakers(nodes, daemonset))


def disturbance(changes: Iterable[Change], started: int) -> str:
    """What the changes of labels, taints and the template disturb, with which so many speakers start."""
    starts = f"{plural(started, 'speaker')} {'starts' if started == 1 else 'start'}, none stops"
    first = next(iter(changes))
    if isinstance(first, TaintNodes):
        return "other pods may run on these nodes" + (f"; {starts}" if started else "")
    if isinstance(first, Label):
        return starts
    if started:
        return f"{starts}, and none is restarted by the DaemonSet"
    return "nothing: all of today's speakers match, and none is restarted by the DaemonSet"


def label_changes(label: tuple[str, str], on: Iterable[str], off: Iterable[str]) -> tuple[Label, ...]:
    """Label changes for two sets of nodes, either of which may be empty."""
    changes = (Label(*label, tuple(sorted(on))), Label(label[0], None, tuple(sorted(off))))
    return tuple(change for change in changes if change.nodes)


def taint_changes(taint: Taint, present: bool, nodes: Iterable[str]) -> tuple[TaintNodes, ...]:
    """A taint change, or none where there are no nodes."""
    change = TaintNodes(taint, present, tuple(sorted(nodes)))
    return (change,) if change.nodes else ()

"""From today to the placement: steps in an order that loses no session, each with its exact inverse.

The opening steps come first: BgpPeers that admit the new sessions, labels on the speakers' nodes, the DaemonSet.
Only when the chosen speakers run and their sessions are established do the closing steps follow: labels off the
nodes that leave, BgpPeers narrowed, taints. The label is used in every style: changing it disturbs no speaker but
that node's, whereas an edit of the DaemonSet's template restarts all of them.

Where the template is edited nevertheless, the DaemonSet is kept from restarting its pods: it would go on when a pod
is ready, not when its sessions are established. The chosen speakers are restarted in rounds while those that are to
leave still run, so that these hold the routers meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..kube.changes import Change, Label, Objects, TaintNodes, find, inverse, make
from ..model import Cluster, Placement, Policy, Taint
from ..speakers.product import PeerEdits
from .objects import objects_of
from .restarts import hold_and_resume, is_held, restart, restart_back
from .template import Style, foreign_demand, pod_spec, restricts, template_change

Wait = Literal["", "running", "established"]


class Step(Struct, frozen=True):
    """Changes that belong together, and what takes them back.

    `wait` is what must hold before `changes`: every chosen speaker is ready ("running") and, for "established",
    the placement's sessions are up as well. `undo_wait` is the same before `undo`, of today's speakers and sessions.
    """

    slug: str
    why: str
    changes: tuple[Change, ...]
    undo: tuple[Change, ...] = ()
    wait: Wait = ""
    undo_wait: Wait = ""


def make_plan(
    cluster: Cluster, policy: Policy, placement: Placement, style: Style, peers: PeerEdits | None = None
) -> tuple[Step, ...]:
    """The steps from today to the placement in the given style; () where nothing is to change.

    Raises InputError where the input has no speaker DaemonSet or the placement names a node that it lacks, and
    where somebody else uses the label or the taint with another value.
    """
    peers = peers or PeerEdits()
    objects = objects_of(cluster)
    daemonset = daemonset_of(cluster, objects)
    check_label(cluster, policy)
    chosen = frozenset(placement.speakers)
    if lost := sorted(name for name in chosen if ("Node", "", name) not in objects):
        raise InputError(f"node {lost[0]} of the placement is not in the input")
    label = key, value = policy.speaker.label
    running = frozenset(cluster.today.speakers)
    labelled = frozenset(node.name for node in cluster.nodes if node.labels.get(key) == value)
    for_now = labelled_for_now(cluster, policy, placement)

    taint = Taint(key, "NoSchedule", value)
    if style == "taints":
        check_taint(cluster, taint, chosen)
    tainted = frozenset(node.name for node in cluster.nodes if taint in node.taints)
    needless = tainted - chosen if style == "taints" else tainted
    # Without the toleration no speaker could start there. On other nodes the taint may keep one away until the end.
    blocking = frozenset[str]() if style == "taints" else tainted & (chosen | running)

    template = template_change(daemonset, label, style)
    hold, resume = hold_and_resume(daemonset, bool(template))
    renewed = (restart(cluster, policy, placement),) if hold or is_held(daemonset) else ()
    # Taken back while the chosen speakers still hold the routers, but for those that need a new toleration.
    holding = [session for session in placement.sessions if session.node not in tainted]
    renewed_back = (restart_back(cluster, policy, holding),) if resume and template else ()
    # All of today's speakers have the label by then, so the edit stops none.
    edited = Step("daemonset", "let the DaemonSet run where the label is; no pod is restarted", template, renewed_back)
    opening = [
        Step("open-peers", "let the new sessions open; none closes", peers.early),
        Step(
            "untaint-speakers", "let speakers run there without the toleration", taint_changes(taint, False, blocking)
        ),
        Step(
            "label-speakers",
            "label the nodes of the chosen speakers and, for now, of those that leave",
            label_changes(label, for_now - labelled, labelled - for_now),
        ),
        Step("hold-restarts", "keep the DaemonSet from restarting its pods by itself", hold),
        edited,
        Step("restart-speakers", "restart the speakers that stay and have the old template, in rounds", renewed),
    ]
    closing = [
        Step(
            "unlabel-nodes", "stop the speakers that are no longer needed", label_changes(label, (), for_now - chosen)
        ),
        Step("close-peers", "close the sessions that are no longer needed", peers.late),
        Step("untaint-nodes", "let other pods run there again", taint_changes(taint, False, needless - blocking)),
        Step(
            "taint-nodes",
            "keep other pods off the speakers' nodes",
            taint_changes(taint, True, chosen - tainted if style == "taints" else ()),
        ),
        Step("resume-restarts", "let the DaemonSet restart its pods by itself again; none is outdated", resume),
    ]
    return sealed(objects, opening, closing, "established" if policy.mode == "bgp" else "running")


def labelled_for_now(cluster: Cluster, policy: Policy, placement: Placement) -> frozenset[str]:
    """The nodes that carry the label until what is new is up: the chosen ones, and others that stay so long.

    A template that does not yet ask for the label stops, on its edit, every speaker without the label. So all of
    today's speakers are labelled first: they hold the routers while what is new comes up and while the others restart.
    """
    key, value = policy.speaker.label
    chosen, running = frozenset(placement.speakers), frozenset(cluster.today.speakers)
    if cluster.speaker is not None and not restricts(pod_spec(cluster.speaker.manifest), key, value):
        return chosen | running
    return chosen | {node.name for node in cluster.nodes if node.labels.get(key) == value and node.name in running}


def check_label(cluster: Cluster, policy: Policy) -> None:
    """Raise InputError where the DaemonSet asks the speaker label's key for anything but the label's value."""
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


def sealed(objects: Objects, opening: list[Step], closing: list[Step], wait: Wait) -> tuple[Step, ...]:
    """The steps that change something, with their inverse and the waits before anything closes."""
    steps, objects = [], dict(objects)
    first = next((step.slug for step in closing if step.changes), None)
    # Taken back, the DaemonSet opens; what was opened for the placement closes.
    closes_back = [step.slug for step in opening if step.changes and step.slug not in ("daemonset", "restart-speakers")]
    last = closes_back[-1] if closes_back else None
    for step in (*opening, *closing):
        undo: list[Change] = []
        for change in step.changes:
            undo = [*inverse(objects, change), *undo]
            make(objects, change)
        undo = [*undo, *step.undo]
        if step.changes:
            steps.append(
                msgspec.structs.replace(
                    step,
                    undo=tuple(undo),
                    wait=wait if step.slug == first else "",
                    undo_wait=wait if step.slug == last else "",
                )
            )
    return tuple(steps)


def daemonset_of(cluster: Cluster, objects: Objects) -> dict[str, Any]:
    """The speaker DaemonSet. Raises InputError where the input has none."""
    if cluster.speaker is None:
        raise InputError(
            "the input has no speaker DaemonSet, so there is nothing to export patches for; "
            "add what `kubectl get daemonsets -A -o json` prints"
        )
    return find(objects, ("DaemonSet", cluster.speaker.namespace, cluster.speaker.name))


def label_changes(label: tuple[str, str], on: Iterable[str], off: Iterable[str]) -> tuple[Label, ...]:
    """Label changes for two sets of nodes, either of which may be empty."""
    changes = (Label(*label, tuple(sorted(on))), Label(label[0], None, tuple(sorted(off))))
    return tuple(change for change in changes if change.nodes)


def taint_changes(taint: Taint, present: bool, nodes: Iterable[str]) -> tuple[TaintNodes, ...]:
    """A taint change, or none where there are no nodes."""
    change = TaintNodes(taint, present, tuple(sorted(nodes)))
    return (change,) if change.nodes else ()

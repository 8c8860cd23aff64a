"""From today to the placement: steps in an order that loses no session, each with its exact inverse.

The opening steps come first: BgpPeers that admit the new sessions, labels on the new speakers' nodes, the
DaemonSet. Only when the chosen speakers run and their sessions are established do the closing steps follow:
labels off the nodes that leave, BgpPeers narrowed, taints. The label is used in every style: changing it
disturbs no speaker but that node's, whereas an edit of the DaemonSet's template restarts all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .errors import InputError
from .manifests import (
    EMPTY,
    Change,
    Label,
    Objects,
    Patch,
    TaintNodes,
    edit,
    find,
    inverse,
    make,
    objects_of,
)
from .model import Cluster, Placement, Policy, Taint

Style = Literal["node-selector", "affinity", "taints"]
STYLES: tuple[Style, ...] = ("node-selector", "affinity", "taints")
Wait = Literal["", "rollout", "established"]

POD_SPEC = "/spec/template/spec"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class PeerEdits(Struct, frozen=True):
    """What a product's peer objects need: `early` opens what is new, `late` closes what is no longer wanted.

    `names` maps each router to the peer object that carries its sessions in the end.
    """

    early: tuple[Change, ...] = ()
    late: tuple[Change, ...] = ()
    names: Mapping[str, str] = {}


class Step(Struct, frozen=True):
    """Changes that belong together, and what takes them back.

    `wait` is what must hold before `changes`: every chosen speaker runs from the current template
    ("rollout") and, for "established", the placement's sessions are up as well. `undo_wait` is the same
    before `undo`, of today's speakers and sessions.
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

    Raises InputError where the input has no speaker DaemonSet or the placement names a node that it lacks.
    """
    peers = peers or PeerEdits()
    objects = objects_of(cluster)
    daemonset = daemonset_of(cluster, objects)
    chosen = frozenset(placement.speakers)
    if lost := sorted(name for name in chosen if ("Node", "", name) not in objects):
        raise InputError(f"node {lost[0]} of the placement is not in the input")
    label = key, value = policy.speaker.label
    running = frozenset(cluster.today.speakers)
    labelled = frozenset(node.name for node in cluster.nodes if node.labels.get(key) == value)
    today = {(node, router) for router, nodes in cluster.today.sessions.items() for node in chosen.intersection(nodes)}
    news = not chosen <= running or any((new.node, new.router) not in today for new in placement.sessions)

    # A template that does not yet ask for the label stops, on its edit, every speaker without the label. Where
    # something new is to come up first, today's other speakers are labelled too, and unlabelled afterwards.
    restricted = restricts(pod_spec(daemonset), key, value)
    template = template_change(daemonset, label, style)
    stops = not restricted and not news and not running <= chosen
    for_now = chosen | (labelled & running) if restricted else chosen | running if news else chosen

    taint = Taint(key, "NoSchedule", value)
    tainted = frozenset(node.name for node in cluster.nodes if taint in node.taints)
    needless = tainted - chosen if style == "taints" else tainted
    # Without the toleration no speaker could start there. On other nodes the taint may keep one away until the end.
    blocking = frozenset[str]() if style == "taints" else tainted & (chosen | running)

    edited = Step("daemonset", "let the DaemonSet run where the label is; its pods restart one at a time", template)
    opening = [
        Step("open-peers", "let the new sessions open; none closes", peers.early),
        Step(
            "untaint-speakers", "let speakers run there without the toleration", taint_changes(taint, False, blocking)
        ),
        Step("label-speakers", "start the new speakers", label_changes(label, for_now - labelled, labelled - for_now)),
        *(() if stops else (edited,)),
    ]
    closing = [
        *((edited,) if stops else ()),
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
    ]
    return sealed(objects, opening, closing, "established" if policy.mode == "bgp" else "rollout")


def sealed(objects: Objects, opening: list[Step], closing: list[Step], wait: Wait) -> tuple[Step, ...]:
    """The steps that change something, with their inverse and the waits before anything closes."""
    steps, objects = [], dict(objects)
    first = next((step.slug for step in closing if step.changes), None)
    # Taken back, the DaemonSet opens; what was opened for the placement closes.
    last = next((step.slug for step in reversed(opening) if step.changes and step.slug != "daemonset"), None)
    for step in (*opening, *closing):
        undo: list[Change] = []
        for change in step.changes:
            undo = [*inverse(objects, change), *undo]
            make(objects, change)
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


def pod_spec(daemonset: Mapping[str, Any]) -> dict[str, Any]:
    """The pod spec of a DaemonSet's template."""
    spec: dict[str, Any] = daemonset["spec"]["template"]["spec"]
    return spec


def label_changes(label: tuple[str, str], on: Iterable[str], off: Iterable[str]) -> tuple[Label, ...]:
    """Label changes for two sets of nodes, either of which may be empty."""
    changes = (Label(*label, tuple(sorted(on))), Label(label[0], None, tuple(sorted(off))))
    return tuple(change for change in changes if change.nodes)


def taint_changes(taint: Taint, present: bool, nodes: Iterable[str]) -> tuple[TaintNodes, ...]:
    """A taint change, or none where there are no nodes."""
    change = TaintNodes(taint, present, tuple(sorted(nodes)))
    return (change,) if change.nodes else ()


def template_change(daemonset: Mapping[str, Any], label: tuple[str, str], style: Style) -> tuple[Patch, ...]:
    """The one patch of the DaemonSet's template, if any: two patches would restart every speaker twice.

    A node selector alone is a merge patch by key. With affinity or tolerations it is a JSON patch, which replaces
    these lists as a whole and fails where somebody else has edited them meanwhile.
    """
    old, new = pod_spec(daemonset), wished_pod_spec(pod_spec(daemonset), label, style)
    operations = edit(POD_SPEC, old, new)
    if not operations:
        return ()
    metadata = daemonset["metadata"]
    place = ("DaemonSet", metadata.get("namespace", ""), metadata["name"])
    if all(operation["path"].startswith(f"{POD_SPEC}/nodeSelector") for operation in operations):
        selector = {label[0]: (new.get("nodeSelector") or {}).get(label[0])}
        return (Patch(*place, "merge", {"spec": {"template": {"spec": {"nodeSelector": selector}}}}),)
    return (Patch(*place, "json", operations),)


def wished_pod_spec(pod: Mapping[str, Any], label: tuple[str, str], style: Style) -> dict[str, Any]:
    """The pod spec in the given style: other keys, terms and tolerations stay, what another style left goes."""
    key, value = label
    selector = {name: old for name, old in (pod.get("nodeSelector") or {}).items() if name != key}
    if style != "affinity":
        selector[key] = value
    tolerations = [old for old in pod.get("tolerations") or () if not is_ours(old, key, value)]
    ours = len(pod.get("tolerations") or ()) - len(tolerations)
    if style == "taints":
        # One that is there already stays in its place, so that the list does not change.
        mine = {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        tolerations = list(pod["tolerations"]) if ours else [*tolerations, mine]
    affinity = pod.get("affinity") or {}
    affinity = with_requirement(affinity, key, value) if style == "affinity" else without_requirement(affinity, key)
    wished = dict(pod)
    for name, new in (("nodeSelector", selector), ("affinity", affinity), ("tolerations", tolerations)):
        if new or pod.get(name) not in EMPTY:
            wished[name] = new
    return wished


def is_ours(toleration: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether a toleration is the one that the taints style writes."""
    shown = (toleration.get("key"), toleration.get("operator") or "Equal", toleration.get("value") or "")
    return shown == (key, "Equal", value) and toleration.get("effect") == "NoSchedule"


def terms_of(affinity: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The required node selector terms of an affinity, those left out that match nothing."""
    required = (affinity.get("nodeAffinity") or {}).get(REQUIRED) or {}
    return [term for term in required.get("nodeSelectorTerms") or () if any(term.values())]


def is_requirement(requirement: Mapping[str, Any], key: str) -> bool:
    """Whether a requirement is one that the affinity style writes, maybe for an earlier value of the label."""
    values = requirement.get("values") or ()
    return requirement["key"] == key and requirement["operator"] == "In" and len(values) == 1


def has_requirement(term: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether a term asks for our label."""
    return {"key": key, "operator": "In", "values": [value]} in (term.get("matchExpressions") or ())


def restricts(pod: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether the pod spec lets speakers run only on nodes with our label."""
    terms = terms_of(pod.get("affinity") or {})
    return (pod.get("nodeSelector") or {}).get(key) == value or (
        bool(terms) and all(has_requirement(term, key, value) for term in terms)
    )


def with_requirement(affinity: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """The affinity with our requirement in every term that can match, or in a new one where there is no term."""
    required = (affinity.get("nodeAffinity") or {}).get(REQUIRED) or {}
    ours = {"key": key, "operator": "In", "values": [value]}
    terms = []
    for term in required.get("nodeSelectorTerms") or ():
        others = [part for part in term.get("matchExpressions") or () if not is_requirement(part, key)]
        # An empty term matches nothing; our requirement alone would make it match.
        kept = has_requirement(term, key, value) or not any(term.values())
        terms.append(term if kept else {**term, "matchExpressions": [*others, ours]})
    return with_terms(affinity, terms or [{"matchExpressions": [ours]}])


def without_requirement(affinity: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The affinity without our requirement, which an export of ours puts in every term or in none.

    Where a term asks for nothing else, the terms together asked for nothing but the label, so all of them go.
    """
    rest = []
    for term in terms_of(affinity):
        others = [part for part in term.get("matchExpressions") or () if not is_requirement(part, key)]
        if len(others) == len(term.get("matchExpressions") or ()):
            return dict(affinity)
        bare = {name: part for name, part in term.items() if name != "matchExpressions"}
        rest.append({**bare, "matchExpressions": others} if others else bare)
    if not rest:
        return dict(affinity)
    return with_terms(affinity, rest if all(any(term.values()) for term in rest) else [])


def with_terms(affinity: Mapping[str, Any], terms: list[Any]) -> dict[str, Any]:
    """The affinity with these required terms; maps that get empty are left out."""
    result, inner = dict(affinity), dict(affinity.get("nodeAffinity") or {})
    inner.pop(REQUIRED, None)
    if terms:
        inner[REQUIRED] = {"nodeSelectorTerms": terms}
    result.pop("nodeAffinity", None)
    if inner:
        result["nodeAffinity"] = inner
    return result

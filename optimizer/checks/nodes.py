"""Which nodes the input lets a speaker run on, judged for the check alone and without any code of the solver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from .. import model
from ..kube.selectors import affinity_selects, selects
from ..kube.taints import untolerated
from ..model import Cluster, LabelSelector, Node, Policy, Resources, Speaker
from ..speakers import product_named

CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

Labels = Mapping[str, str]
Sentences = Iterator[str]


def unmanaged(speaker: Speaker, key: str) -> Speaker:
    """The DaemonSet without what it asks of the label `key`, which an export sets or removes as it needs."""
    selector = {name: value for name, value in speaker.node_selector.items() if name != key}
    terms = speaker.affinity or ()
    kept = [tuple(part for part in term.match_expressions if part.key != key) for term in terms]
    asked = [replace(term, match_expressions=parts) for term, parts in zip(terms, kept, strict=True)]
    # Any one term is enough, so one that asked for nothing else lets every node pass.
    free = any(old != new == model.NodeSelectorTerm() for old, new in zip(terms, asked, strict=True))
    affinity = None if free or speaker.affinity is None else tuple(asked)
    return replace(speaker, node_selector=selector, affinity=affinity)


def refusals(cluster: Cluster, policy: Policy, foreign: Speaker | None) -> dict[str, str]:
    """The nodes that no speaker may be on, with the reason.

    Nodes that are alike in all that a refusal looks at are judged once: the labels that some selector names, state
    and taints, a ban, and the name where the DaemonSet's affinity speaks of it.
    """
    selectors = [*policy.nodes.exclude, *([LabelSelector(foreign.node_selector)] if foreign else ())]
    terms = (foreign.affinity if foreign else None) or ()
    parts = [part for term in terms for part in term.match_expressions]
    parts += [part for selector in selectors for part in selector.match_expressions]
    keys = {*(part.key for part in parts), *(key for selector in selectors for key in selector.match_labels)}
    named, banned = {name for term in terms for part in term.match_fields for name in part.values}, {*policy.nodes.ban}
    reasons: dict[tuple[object, ...], str | None] = {}
    refused = {}
    for node in cluster.nodes:
        name, labels = node.name, node.labels
        state = node.ready, node.unschedulable, node.deleting, node.troubles, node.taints, name in banned
        alike = (state, name if name in named else "", *[labels.get(key) for key in keys])
        if alike not in reasons:
            reasons[alike] = refusal(node, policy, foreign)
        if reason := reasons[alike]:
            refused[name] = reason
    return refused


def refusal(node: Node, policy: Policy, foreign: Speaker | None) -> str | None:
    """Why no speaker may be on the node, whatever its room; `foreign` is the DaemonSet without our own label."""
    if node.ready is False:
        return "it is not Ready"
    if node.unschedulable:
        return "it is cordoned"
    if node.deleting:
        return "it is being deleted"
    if node.troubles:
        return f"its state: {', '.join(node.troubles)}"
    if node.name in policy.nodes.ban:
        return "the policy bans it"
    if any(selects(selector, node.labels) for selector in policy.nodes.exclude):
        return "the policy excludes it"
    key, value = policy.speaker.label
    taints = [taint for taint in node.taints if taint != model.Taint(key, "NoSchedule", value)]
    return pod_refusal(foreign, node.name, node.labels, taints) if foreign else None


def pod_refusal(speaker: Speaker, name: str, labels: Labels, taints: Iterable[model.Taint]) -> str | None:
    """Why the DaemonSet wants no pod on a node, or None."""
    if not selects(LabelSelector(speaker.node_selector), labels):
        return "the DaemonSet's nodeSelector does not select it"
    if not affinity_selects(speaker.affinity, name, labels):
        return "the DaemonSet's node affinity does not select it"
    taint = untolerated(taints, speaker.tolerations, speaker.host_network)
    return f"the DaemonSet does not tolerate its taint {taint.key}:{taint.effect}" if taint else None


def requests(cluster: Cluster, policy: Policy) -> Resources:
    """What a speaker without any session requests: as the policy says, else the DaemonSet, else the product."""
    given = policy.speaker.requests or (cluster.speaker.requests if cluster.speaker else None)
    return given or product_named(cluster.product).requests


def overload(node: Node, sessions: int, policy: Policy, cluster: Cluster) -> Sentences:
    """What a speaker with that many sessions needs on the node beyond what is free or allowed."""
    needs, all_, used = policy.speaker, node.allocatable, node.requested
    if needs.max_sessions is not None and sessions > needs.max_sessions:
        yield f"node {node.name} has {sessions} sessions, the limit of a speaker is {needs.max_sessions}"
    for port in node.taken:
        yield f"node {node.name} has another pod on the speaker's host port {port}"
    if all_ is None:
        return
    base, each = requests(cluster, policy), needs.per_session
    for wanted, left, unit in (
        (base.cpu + each.cpu * sessions, all_.cpu - used.cpu, "millicores of CPU"),
        (base.memory + each.memory * sessions, all_.memory - used.memory, "bytes of memory"),
        # A speaker is one pod, whether its requests count it or not.
        (1, all_.pods - used.pods, "pods"),
    ):
        if wanted > max(left, 0):
            yield f"node {node.name} has {left} {unit} free, a speaker with {sessions} sessions needs {wanted}"
    for name in {**base.others, **each.others}:
        wanted = base.others.get(name, 0) + each.others.get(name, 0) * sessions
        left = all_.others.get(name, 0) - used.others.get(name, 0)
        if wanted > 0 and wanted > left:
            yield f"node {node.name} has {left} of {name} free, a speaker with {sessions} sessions needs {wanted}"


def node_cost(node: Node, policy: Policy) -> int:
    """Costs of the policy, 1 where not preferred, 1 on the control plane, and for head-room 0 to 10 by how full."""
    rules, full = policy.nodes, 0
    cost = sum(rule.cost for rule in rules.cost if selects(rule.selector, node.labels))
    unloved = bool(rules.prefer) and not any(selects(selector, node.labels) for selector in rules.prefer)
    if rules.head_room and node.allocatable:
        used = ((node.requested.cpu, node.allocatable.cpu), (node.requested.memory, node.allocatable.memory))
        full = max((10 * part // whole for part, whole in used if whole), default=0)
    return cost + unloved + any(label in node.labels for label in CONTROL_PLANE) + min(10, full)

"""Independent check of the manifests that are to bring a placement about.

The objects as they are after the patches are read again, and their selectors evaluated as Kubernetes and the product
do. Taints, tolerations and requirements are taken out of the plain objects here once more, on purpose: the reader's way
of doing so is among the things that are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import model
from ..kube.selectors import check_requirement
from ..model import Cluster, Placement, Policy, Resources, Speaker
from ..speakers import product_named
from .nodes import Labels, pod_refusal

Plain = Mapping[str, Any]


def check_manifests(
    cluster: Cluster,
    policy: Policy,
    placement: Placement,
    nodes: Mapping[str, Plain],
    daemonset: Plain | None,
    peers: Sequence[Plain],
) -> tuple[str, ...]:
    """One sentence for each speaker or session that the manifests give beyond or short of the placement.

    They are the plain objects after the patches, all of them; without a DaemonSet every node runs a speaker. Raises
    ValueError for a selector that Kubernetes refuses.
    """
    product, kind = product_named(cluster.product), product_named(cluster.product).kinds[0].name
    running = dict(running_speakers(nodes, daemonset))
    sessions = {*product.peerings(cluster, running, peers)} if policy.mode == "bgp" else set()
    # Where an agent runs on every node, those are speakers that have a session.
    speakers = running if product.restrictable else {node for node, _ in sessions}
    given = {f"speaker on node {name}" for name in speakers}
    wanted = {f"speaker on node {name}" for name in placement.speakers}
    if policy.mode == "bgp":
        given.update(f"session {node} - {router}" for node, router in sessions)
        given.update(f"second {kind} of {what}" for what in product.duplicates(peers))
        wanted |= {f"session {session.node} - {session.router}" for session in placement.sessions}
    unexpected = (f"the manifests give an unexpected {what}" for what in sorted(given - wanted))
    return (*(f"the manifests give no {what}" for what in sorted(wanted - given)), *unexpected)


def dig(data: Any, *path: str) -> Any:
    """The value at a path of keys, None where the path ends early."""
    for key in path:
        data = data.get(key) if data else None
    return data


def running_speakers(nodes: Mapping[str, Plain], daemonset: Plain | None) -> Iterator[tuple[str, Labels]]:
    """The nodes that get a pod of the DaemonSet, with their labels; without one all nodes."""
    if daemonset is None:
        yield from ((name, dig(node, "metadata", "labels") or {}) for name, node in nodes.items())
        return
    spec = dig(daemonset, "spec", "template", "spec") or {}
    required = dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = tuple(
        model.NodeSelectorTerm(requirements(term, "matchExpressions"), requirements(term, "matchFields"))
        for term in dig(required, "nodeSelectorTerms") or ()
    )
    fields, entries = ("key", "operator", "value", "effect"), spec.get("tolerations") or ()
    # One for some seconds only lets a pod be evicted after them.
    tolerations = tuple(
        model.Toleration(*(entry.get(field) or "" for field in fields))
        for entry in entries
        if entry.get("tolerationSeconds") is None
    )
    affinity, host = None if required is None else terms, bool(spec.get("hostNetwork"))
    pod = Speaker("", "", spec.get("nodeSelector") or {}, affinity, tolerations, Resources(), host, {})
    for name, node in nodes.items():
        labels, taints = dig(node, "metadata", "labels") or {}, dig(node, "spec", "taints") or ()
        parsed = [model.Taint(taint["key"], taint["effect"], taint.get("value") or "") for taint in taints]
        if pod_refusal(pod, name, labels, parsed) is None:
            yield name, labels


def requirements(data: Any, field: str, affinity: bool = True) -> tuple[model.Requirement, ...]:
    """The requirements of a selector or an affinity term. Raises ValueError where Kubernetes refuses one."""
    entries = dig(data, field) or ()
    found = tuple(model.Requirement(each["key"], each["operator"], tuple(each.get("values") or ())) for each in entries)
    for requirement in found:
        check_requirement(requirement, affinity)
    return found

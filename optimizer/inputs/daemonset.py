"""The speaker DaemonSet: where its pods may run, and what one of them requests."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec.structs import replace

from ..errors import InputError
from ..findings import Finding
from ..kube.item import Item, Items, by_name
from ..kube.names import check_labels
from ..kube.objects import DaemonSetObject, Partial
from ..kube.parse import checked, read_toleration, requirements
from ..kube.ports import host_ports
from ..kube.selectors import affinity_selects, check_field_requirement, check_requirement
from ..kube.taints import untolerated
from ..kube.troubles import ON_WINDOWS, OS_LABELS, WINDOWS
from ..model import Node, NodeSelectorTerm, Speaker
from ..speakers.signs import WorkloadObject
from ..words import plural
from .requests import needs


def for_windows(item: Item) -> bool:
    """Whether the DaemonSet's pods are for nodes that run Windows."""
    spec = item.load(DaemonSetObject).spec.template.spec
    if spec.os and spec.os.name == WINDOWS:
        return True
    return any((spec.node_selector or {}).get(key) == WINDOWS for key in OS_LABELS)


def on_windows(nodes: Iterable[Node]) -> list[Node]:
    """The nodes as they are for speakers that run on Windows."""
    return [
        replace(node, troubles=tuple(each for each in node.troubles if each != ON_WINDOWS))
        if ON_WINDOWS in node.troubles
        else node
        for node in nodes
    ]


def read_speaker(item: Item) -> Speaker:
    """The DaemonSet's own rules of where its pods run, and what one of them requests."""
    found = item.load(DaemonSetObject)
    item.decode(OwnObject)
    spec, place = found.spec.template.spec, f"{item.place}: spec.template.spec"
    checked(f"{place}.nodeSelector", partial(check_labels, spec.node_selector or {}))
    affinity = None
    if spec.affinity and spec.affinity.node_affinity and spec.affinity.node_affinity.required:
        terms = spec.affinity.node_affinity.required.node_selector_terms or []
        rule = partial(check_requirement, affinity=True)
        affinity = tuple(
            NodeSelectorTerm(
                requirements(term.match_expressions, f"{place}.affinity", rule),
                requirements(term.match_fields, f"{place}.affinity", check_field_requirement),
            )
            for term in terms
        )
    # A pod that tolerates a taint for a while is evicted then, and a speaker is to stay. (Only NoExecute has that.)
    given = [(entry, read_toleration(entry, f"{place}.tolerations")) for entry in spec.tolerations or ()]
    return Speaker(
        namespace=item.namespace,
        name=item.name,
        node_selector=spec.node_selector or {},
        affinity=affinity,
        tolerations=tuple(found for entry, found in given if entry.toleration_seconds is None),
        requests=needs(spec, place),
        host_network=bool(spec.host_network),
        manifest=item.manifest(),
        ports=host_ports(spec, place),
    )


class Strategy(Partial):
    """How the controller replaces pods."""

    type: str | None = None
    rolling_update: dict[str, Any] | None = None


class Annotated(Partial):
    """Metadata that a change goes by."""

    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Pods(Partial):
    """The template of the pods."""

    metadata: Annotated | None = None


class OwnSpec(Partial):
    """The spec of the speakers' own DaemonSet."""

    template: Pods
    update_strategy: Strategy | None = None


class OwnObject(Partial):
    """What a change needs of the speakers' own DaemonSet besides; others may hold anything there."""

    metadata: Annotated
    spec: OwnSpec


def deleting(item: Item) -> list[Finding]:
    """The finding that the DaemonSet is being deleted."""
    if item.load(DaemonSetObject).metadata.deletion_timestamp is None:
        return []
    told = f"{item.place} is being deleted: its controller starts no pod any more, and what a change does to it is lost"
    return [Finding("daemonset-deleting", told, f"DaemonSet {item.namespace}/{item.name}")]


def others(daemonsets: Items, own: Item | None) -> tuple[tuple[dict[str, Any], ...], list[Finding]]:
    """All DaemonSets but those of others that cannot be read, and the one finding about these."""
    found, odd = [], list[InputError]()
    for item in by_name(daemonsets):
        try:
            if item is not own:
                item.load(DaemonSetObject)
                item.load(WorkloadObject)
            found.append(item.manifest())
        except InputError as error:
            odd.append(error)
    if not odd:
        return tuple(found), []
    more = f", and {plural(len(odd) - 1, 'more DaemonSet')} like it" if len(odd) > 1 else ""
    told = f"{odd[0]}{more}: passed over, as no speakers are in it"
    return tuple(found), [Finding("object-odd", told)]


def selected_by(speaker: Speaker | None, nodes: Iterable[Node]) -> list[str]:
    """The nodes on which the DaemonSet controller keeps a pod."""
    if speaker is None:
        return []
    return [
        node.name
        for node in nodes
        if speaker.node_selector.items() <= node.labels.items()
        and affinity_selects(speaker.affinity, node.name, node.labels)
        and (not node.taints or untolerated(node.taints, speaker.tolerations, speaker.host_network) is None)
    ]

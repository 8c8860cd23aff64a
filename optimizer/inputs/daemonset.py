"""The speaker DaemonSet: where its pods may run, and what one of them requests."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..kube.item import Item
from ..kube.names import check_labels
from ..kube.objects import DaemonSetObject
from ..kube.parse import checked, read_toleration, requirements
from ..kube.ports import host_ports
from ..kube.selectors import affinity_selects, check_field_requirement, check_requirement
from ..kube.taints import untolerated
from ..model import Node, NodeSelectorTerm, Speaker
from .requests import needs


def read_speaker(item: Item) -> Speaker:
    """The DaemonSet's own rules of where its pods run, and what one of them requests."""
    found = item.load(DaemonSetObject)
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
    return Speaker(
        namespace=item.namespace,
        name=item.name,
        node_selector=spec.node_selector or {},
        affinity=affinity,
        tolerations=tuple(read_toleration(entry, f"{place}.tolerations") for entry in spec.tolerations or ()),
        requests=needs(spec, place),
        host_network=bool(spec.host_network),
        manifest=item.manifest(),
        ports=host_ports(spec, place),
    )


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

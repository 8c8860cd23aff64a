"""Pods: which of them are speakers, and what the others take of each node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..kube.item import Item
from ..kube.names import is_dns_subdomain
from ..kube.objects import DaemonSetObject, Meta, PodObject, PodStatus
from ..kube.parse import read_selector
from ..kube.ports import Port, host_ports, taken
from ..kube.quantities import smaller
from ..kube.selectors import selects
from ..model import Node, Resources
from ..speakers.product import Product
from ..speakers.signs import bears_labels, bears_name
from .requests import needs
from .speaker_pods import SpeakerPods

GENERATION = "pod-template-generation"
GENERATION_NOW = "deprecated.daemonset.template.generation"


class Load(Struct, frozen=True):
    """What the pods of a node request, speakers left out, and the speaker's host ports that they hold."""

    requested: Resources = Resources()
    taken: tuple[str, ...] = ()


class Pods(Struct, frozen=True):
    """What pods say: how the speakers' ones are, what the others take of each node, and what all speakers of the
    template as it is now request, of each resource the least, as one alone may be resized; None where there is none."""

    speakers: SpeakerPods
    loads: Mapping[str, Load]
    admitted: Resources | None = None


def read_pods(pods: Iterable[Item], daemonset: Item | None, product: Product, ports: Sequence[Port] = ()) -> Pods:
    """What the pods say; `ports` are the host ports of a speaker.

    Where the speaker DaemonSet itself is not given, its pods are known as those of the product.
    """
    speakers = SpeakerPods({}, {})
    requested: dict[str, Resources] = {}
    held: dict[str, set[str]] = {}
    admitted: Resources | None = None
    is_speaker, is_current = speaker_test(daemonset, product), current_test(daemonset)
    for item in pods:
        pod = item.load(PodObject)
        node, spec, meta, status = pod.spec.node_name, pod.spec, pod.metadata, pod.status or PodStatus()
        if status.phase in ("Succeeded", "Failed"):
            continue
        if node and not is_dns_subdomain(node):
            raise InputError(f"{item.place}: spec.nodeName: {node!r} cannot be the name of a node")
        if is_speaker(meta):
            if node and meta.deletion_timestamp is None:
                speakers.add(item, node)
            if is_current(meta) and meta.deletion_timestamp is None:
                if not node:
                    speakers.add_waiting(item, pod)
                need = needs(spec, f"{item.place}: spec", status)
                admitted = smaller(admitted, need) if admitted else need
        elif node:
            need = needs(spec, f"{item.place}: spec", status)
            requested[node] = requested[node] + need if node in requested else need
            if ports and (found := taken(ports, host_ports(spec, f"{item.place}: spec"))):
                held.setdefault(node, set()).update(found)
    loads = {node: Load(need, tuple(sorted(held.get(node, ())))) for node, need in requested.items()}
    return Pods(speakers, loads, admitted)


def speaker_test(daemonset: Item | None, product: Product) -> Callable[[Meta], bool]:
    """Whether a pod, by its metadata, belongs to the speaker DaemonSet: owned by it, or unowned but selected.

    Without it, whether a DaemonSet owns it that is the product's by the pod's labels or by its own name.
    """
    if daemonset is None:
        known: dict[tuple[str | None, str], bool] = {}

        def bears(name: str, meta: Meta) -> bool:
            key = meta.namespace, name
            if key not in known:
                # All pods of a DaemonSet have the labels of its template.
                labelled = bears_labels(meta.labels or {}, product.signs)
                known[key] = labelled or bears_name(meta.namespace or "", name, product.signs)
            return known[key]

        return lambda meta: any(
            owner.kind == "DaemonSet" and bears(owner.name, meta) for owner in meta.owner_references or ()
        )
    selector = read_selector(daemonset.load(DaemonSetObject).spec.selector, f"{daemonset.place}: spec.selector")

    def test(meta: Meta) -> bool:
        if (meta.namespace or "default") != daemonset.namespace:
            return False
        if meta.owner_references:
            return any(owner.kind == "DaemonSet" and owner.name == daemonset.name for owner in meta.owner_references)
        return selector is not None and selects(selector, meta.labels or {})

    return test


def current_test(daemonset: Item | None) -> Callable[[Meta], bool]:
    """Whether a speaker's pod was made of the template as it is now, as far as that is said: DaemonSets count their
    templates, and note the number on the pods."""
    annotations = daemonset.manifest()["metadata"].get("annotations") if daemonset else None
    now = annotations.get(GENERATION_NOW) if isinstance(annotations, Mapping) else None
    return lambda pod: now is None or (pod.labels or {}).get(GENERATION, now) == now


def with_load(nodes: Iterable[Node], loads: Mapping[str, Load]) -> tuple[Node, ...]:
    """The nodes, each with what its pods take of it where that is given."""
    return tuple(
        msgspec.structs.replace(node, requested=load.requested, taken=load.taken)
        if (load := loads.get(node.name))
        else node
        for node in nodes
    )

"""Pods: which of them are speakers, and what the others request on each node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from ..errors import InputError
from ..kube.item import Item
from ..kube.names import is_dns_subdomain
from ..kube.objects import DaemonSetObject, Meta, Needs, PodObject, PodSpec, Quantities
from ..kube.parse import checked, read_selector
from ..kube.quantities import parse_resources, pod_requests
from ..kube.selectors import selects
from ..model import Node, Resources
from .speaker_pods import SpeakerPods


def read_pods(pods: Iterable[Item], daemonset: Item | None, assumed: str) -> tuple[SpeakerPods, dict[str, Resources]]:
    """The speakers' pods, and what the other pods request on each node.

    `assumed` is the name of the speaker DaemonSet that the pods are assumed to have where it is not given itself.
    """
    speakers = SpeakerPods({}, {})
    requested: dict[str, Resources] = {}
    is_speaker = speaker_test(daemonset, assumed)
    for item in pods:
        pod = item.load(PodObject)
        node = pod.spec.node_name
        if pod.status and pod.status.phase in ("Succeeded", "Failed"):
            continue
        if not node:
            if is_speaker(pod.metadata):
                speakers.add_waiting(item, pod)
            continue
        if not is_dns_subdomain(node):
            raise InputError(f"{item.place}: spec.nodeName: {node!r} cannot be the name of a node")
        if is_speaker(pod.metadata):
            if pod.metadata.deletion_timestamp is None:
                speakers.add(item, node)
        else:
            requested[node] = requested.get(node, Resources()) + needs(pod.spec, f"{item.place}: spec")
    return speakers, requested


def speaker_test(daemonset: Item | None, assumed: str) -> Callable[[Meta], bool]:
    """Whether a pod, by its metadata, belongs to the speaker DaemonSet: owned by it, or unowned but selected."""
    if daemonset is None:
        return lambda meta: any(
            owner.kind == "DaemonSet" and owner.name == assumed for owner in meta.owner_references or ()
        )
    selector = read_selector(daemonset.load(DaemonSetObject).spec.selector, f"{daemonset.place}: spec.selector")

    def test(meta: Meta) -> bool:
        if (meta.namespace or "default") != daemonset.namespace:
            return False
        if meta.owner_references:
            return any(owner.kind == "DaemonSet" and owner.name == daemonset.name for owner in meta.owner_references)
        return selector is not None and selects(selector, meta.labels or {})

    return test


def with_requested(nodes: Iterable[Node], requested: Mapping[str, Resources]) -> tuple[Node, ...]:
    """The nodes, each with what its pods request where that is given."""
    return tuple(
        msgspec.structs.replace(node, requested=requested[node.name]) if node.name in requested else node
        for node in nodes
    )


def needs(spec: PodSpec, place: str) -> Resources:
    """What the scheduler counts for a pod; limits stand in for requests, as the API server defaults them."""

    def of(amounts: Needs | None, field: str) -> Resources:
        merged = amounts_of(amounts) if amounts else {}
        merged.pop("pods", None)
        return checked(f"{place}.{field}", lambda: parse_resources(merged))

    containers = [*(spec.containers or ()), *(spec.init_containers or ())]
    named = {key for each in containers if each.resources for key in amounts_of(each.resources)}
    pod_level = spec.resources or Needs()
    # A limit of the pod stands in only where no container names the resource.
    level = {key: value for key, value in (pod_level.limits or {}).items() if key not in named}
    level |= pod_level.requests or {}
    given = checked(f"{place}.resources", lambda: parse_resources(level))
    return pod_requests(
        (of(container.resources, f"containers[{i}].resources") for i, container in enumerate(spec.containers or ())),
        (
            (of(container.resources, f"initContainers[{i}].resources"), container.restart_policy == "Always")
            for i, container in enumerate(spec.init_containers or ())
        ),
        checked(f"{place}.overhead", lambda: parse_resources(spec.overhead or {})),
        {key: getattr(given, key) for key in ("cpu", "memory") if key in level},
    )


def amounts_of(resources: Needs) -> Quantities:
    """The requests, and the limits of what has no request."""
    return {**(resources.limits or {}), **(resources.requests or {})}

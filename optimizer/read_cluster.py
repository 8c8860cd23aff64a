"""Kubernetes objects as `kubectl get` prints them -> a `Cluster` without routers.

Nodes, Pods, DaemonSets, OpenELB's BgpPeers and BgpConf are read; other kinds are passed over.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import starmap
from typing import TypeVar

import msgspec

from . import kube
from .errors import InputError
from .model import (
    Cluster,
    LabelSelector,
    Node,
    NodeSelectorTerm,
    Peer,
    Requirement,
    Resources,
    Speaker,
    Taint,
    Today,
    Toleration,
)
from .objects import (
    ConfObject,
    ConfSpec,
    DaemonSetObject,
    Expression,
    Meta,
    Needs,
    NodeObject,
    NodeSpec,
    NodeStatus,
    PeerConf,
    PeerObject,
    PodObject,
    PodSpec,
    Quantities,
    Selector,
)
from .progress import Tell, silent
from .read_objects import GROUPS, OPENELB_GROUP, Item, objects, sources

T = TypeVar("T")
Items = Mapping[tuple[str, str], Item]
DEFAULT_DAEMONSET = "openelb-speaker"


def read_cluster(inputs: Sequence[str], daemonset: str | None = None, tell: Tell = silent) -> Cluster:
    """The cluster in these files and folders; `-` is stdin. `daemonset` is `[namespace/]name`.

    Raises InputError naming file, object and field.
    """
    items: dict[str, dict[tuple[str, str], Item]] = {kind: {} for kind in GROUPS}
    nodes: dict[str, Node] = {}
    for name, text in sources(inputs):
        for item in objects(text, name, tell):
            first = items[item.kind].setdefault((item.namespace, item.name), item)
            if first is not item:
                raise InputError(f"{item.place}: given twice, first in {first.file}")
            # There may be millions: nodes need not be held twice, and pods are decoded when the DaemonSet is known.
            if item.kind == "Node":
                nodes[item.name] = read_node(item)
                item.content = msgspec.Raw()
            if item.kind in ("Node", "Pod"):
                item.found = None
    if not nodes:
        raise InputError(f"{', '.join(inputs)}: no Node among the objects; dump them with kubectl get nodes -o json")
    return build(items, dict(sorted(nodes.items())), daemonset)


def build(items: Mapping[str, Items], nodes: Mapping[str, Node], wanted: str | None) -> Cluster:
    """The cluster from the objects, sorted by kind."""
    warnings: list[str] = []
    daemonsets = [item.manifest() for item in by_name(items["DaemonSet"])]
    chosen = choose_daemonset(items["DaemonSet"], wanted)
    speaker = read_speaker(chosen) if chosen else None
    if speaker is None:
        warnings.append(
            "no speaker DaemonSet in the input: OpenELB's own requests (100m CPU, 100Mi memory) are assumed, "
            "and that its pods may run on every node without taints"
        )
    running, requested = read_pods(items["Pod"].values(), chosen)
    if not items["Pod"]:
        warnings.append("no Pods in the input: room on nodes is taken as all that is allocatable")
    if not running:
        running = expected_speakers(chosen, speaker, nodes.values(), bool(items["Pod"]), warnings)
    lost = sorted(set(running) - set(nodes))
    if lost:
        raise InputError(
            f"speakers run on {len(lost)} nodes that are not in the input, such as {lost[0]}: dump all nodes, since "
            "the change would reach these speakers as well"
        )
    warnings += node_warnings(nodes.values())
    return Cluster(
        nodes=tuple(
            msgspec.structs.replace(node, requested=requested[name]) if name in requested else node
            for name, node in nodes.items()
        ),
        peers=tuple(read_peer(item) for item in by_name(items["BgpPeer"])),
        speaker=speaker,
        as_per_rack=read_conf(items["BgpConf"], warnings),
        daemonsets=tuple(daemonsets),
        today=Today(speakers=tuple(sorted(set(running)))),
        warnings=tuple(warnings),
    )


def expected_speakers(
    daemonset: Item | None, speaker: Speaker | None, nodes: Iterable[Node], with_pods: bool, warnings: list[str]
) -> list[str]:
    """Where speakers run when no pod tells: where the DaemonSet selects nodes, unless its status counts no pod."""
    running = selected_by(speaker, nodes)
    status = daemonset.load(DaemonSetObject).status if daemonset else None
    if status and status.current_number_scheduled == 0:
        return []
    if with_pods and daemonset and running:
        warnings.append(
            f"{daemonset.place}: none of its pods is in the input (were the pods of all namespaces dumped, -A?), so it "
            f"is taken to run on the {len(running)} nodes that it selects"
        )
    return running


def node_warnings(nodes: Collection[Node]) -> list[str]:
    """What trimmed dumps leave open."""
    found = []
    unknown = [node.name for node in nodes if node.ready is None]
    if unknown:
        found.append(f"{len(unknown)} of {len(nodes)} nodes have no Ready condition: they are taken as Ready")
    endless = [node.name for node in nodes if node.allocatable is None or kube.MAX_QUANTITY in amounts(node)]
    if endless:
        found.append(
            f"{len(endless)} of {len(nodes)} nodes do not say how much CPU, memory or how many pods are allocatable, "
            f"such as {endless[0]}: what is not said is taken as unlimited"
        )
    return found


def amounts(node: Node) -> tuple[int, ...]:
    """The allocatable amounts of a node that has them."""
    return (node.allocatable.cpu, node.allocatable.memory, node.allocatable.pods) if node.allocatable else ()


def by_name(items: Items) -> list[Item]:
    """The items sorted by namespace and name."""
    return [items[key] for key in sorted(items)]


def checked(place: str, rule: Callable[[], T]) -> T:
    """What `rule` returns; its ValueError becomes an InputError at `place`."""
    try:
        return rule()
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None


def read_node(item: Item) -> Node:
    """A Node object as a `Node`; what is equal in many nodes is held once."""
    found = item.load(NodeObject)
    spec, status = found.spec or NodeSpec(), found.status or NodeStatus()
    ready = next((each.status == "True" for each in status.conditions or () if each.type == "Ready"), None)
    allocatable: Resources | None = None
    taints: tuple[Taint, ...] = ()
    # "Allocatable ... Defaults to Capacity" (Node API).
    if listed := status.allocatable or status.capacity:
        amounts = listed.get("cpu"), listed.get("memory"), listed.get("pods")
        allocatable = checked(f"{item.place}: status.allocatable", partial(read_room, *amounts))
    if spec.taints:
        given = ((taint.key, taint.effect, taint.value or "") for taint in spec.taints)
        taints = checked(f"{item.place}: spec.taints", partial(read_taints, *given))
    return Node(
        name=item.name,
        labels=found.metadata.labels or {},
        taints=taints,
        unschedulable=bool(spec.unschedulable),
        deleting=found.metadata.deletion_timestamp is not None,
        ready=ready,
        addresses=tuple([address.address for address in status.addresses or () if address.type == "InternalIP"]),
        allocatable=allocatable,
    )


@lru_cache(maxsize=4096, typed=True)
def read_room(*amounts: str | int | float | None) -> Resources:
    """The allocatable CPU, memory and pods; what is not said is without bound. Raises ValueError."""
    listed = dict(zip(("cpu", "memory", "pods"), amounts, strict=True))
    given = kube.parse_resources({key: amount for key, amount in listed.items() if amount is not None})
    return Resources(*(kube.MAX_QUANTITY if amount is None else getattr(given, key) for key, amount in listed.items()))


@lru_cache(maxsize=4096)
def read_taints(*given: tuple[str, str, str]) -> tuple[Taint, ...]:
    """The taints from key, effect and value of each. Raises ValueError."""
    taints = tuple(starmap(Taint, given))
    for taint in taints:
        kube.check_taint(taint)
    return taints


def read_pods(pods: Iterable[Item], daemonset: Item | None) -> tuple[list[str], dict[str, Resources]]:
    """The nodes that run a speaker, and what the other pods request on each node."""
    running: list[str] = []
    requested: dict[str, Resources] = {}
    is_speaker = speaker_test(daemonset)
    for item in pods:
        pod = item.load(PodObject)
        node = pod.spec.node_name
        if not node or (pod.status and pod.status.phase in ("Succeeded", "Failed")):
            continue
        if not kube.is_dns_subdomain(node):
            raise InputError(f"{item.place}: spec.nodeName: {node!r} cannot be the name of a node")
        if is_speaker(pod.metadata):
            if pod.metadata.deletion_timestamp is None:
                running.append(node)
        else:
            requested[node] = requested.get(node, Resources()) + needs(pod.spec, f"{item.place}: spec")
    return running, requested


def speaker_test(daemonset: Item | None) -> Callable[[Meta], bool]:
    """Whether a pod, by its metadata, belongs to the speaker DaemonSet: owned by it, or unowned but selected."""
    if daemonset is None:
        return lambda meta: any(
            owner.kind == "DaemonSet" and owner.name == DEFAULT_DAEMONSET for owner in meta.owner_references or ()
        )
    selector = read_selector(daemonset.load(DaemonSetObject).spec.selector, f"{daemonset.place}: spec.selector")

    def test(meta: Meta) -> bool:
        if (meta.namespace or "default") != daemonset.namespace:
            return False
        if meta.owner_references:
            return any(owner.kind == "DaemonSet" and owner.name == daemonset.name for owner in meta.owner_references)
        return selector is not None and kube.selects(selector, meta.labels or {})

    return test


def needs(spec: PodSpec, place: str) -> Resources:
    """What the scheduler counts for a pod; limits stand in for requests, as the API server defaults them."""

    def of(amounts: Needs | None, field: str) -> Resources:
        merged = amounts_of(amounts) if amounts else {}
        merged.pop("pods", None)
        return checked(f"{place}.{field}", lambda: kube.parse_resources(merged))

    containers = [*(spec.containers or ()), *(spec.init_containers or ())]
    named = {key for each in containers if each.resources for key in amounts_of(each.resources)}
    pod_level = spec.resources or Needs()
    # A limit of the pod stands in only where no container names the resource.
    level = {key: value for key, value in (pod_level.limits or {}).items() if key not in named}
    level |= pod_level.requests or {}
    given = checked(f"{place}.resources", lambda: kube.parse_resources(level))
    return kube.pod_requests(
        (of(container.resources, f"containers[{i}].resources") for i, container in enumerate(spec.containers or ())),
        (
            (of(container.resources, f"initContainers[{i}].resources"), container.restart_policy == "Always")
            for i, container in enumerate(spec.init_containers or ())
        ),
        checked(f"{place}.overhead", lambda: kube.parse_resources(spec.overhead or {})),
        {key: getattr(given, key) for key in ("cpu", "memory") if key in level},
    )


def amounts_of(resources: Needs) -> Quantities:
    """The requests, and the limits of what has no request."""
    return {**(resources.limits or {}), **(resources.requests or {})}


def choose_daemonset(found: Items, wanted: str | None) -> Item | None:
    """The speaker DaemonSet: the one asked for, else the one named `openelb-speaker`. Raises InputError."""
    namespace, _, name = (wanted or DEFAULT_DAEMONSET).rpartition("/")
    matching = [item for item in by_name(found) if item.name == name and namespace in ("", item.namespace)]
    if len(matching) > 1:
        places = ", ".join(f"{item.namespace}/{item.name}" for item in matching)
        raise InputError(f"several DaemonSets are named {name} ({places}); say which with --daemonset NAMESPACE/NAME")
    if wanted and not matching:
        known = ", ".join(f"{namespace}/{name}" for namespace, name in sorted(found)) or "none"
        raise InputError(f"--daemonset {wanted}: no such DaemonSet in the input (there are: {known})")
    return matching[0] if matching else None


def read_speaker(item: Item) -> Speaker:
    """The DaemonSet's own rules of where its pods run, and what one of them requests."""
    found = item.load(DaemonSetObject)
    spec, place = found.spec.template.spec, f"{item.place}: spec.template.spec"
    checked(f"{place}.nodeSelector", partial(kube.check_labels, spec.node_selector or {}))
    affinity = None
    if spec.affinity and spec.affinity.node_affinity and spec.affinity.node_affinity.required:
        terms = spec.affinity.node_affinity.required.node_selector_terms or []
        rule = partial(kube.check_requirement, affinity=True)
        affinity = tuple(
            NodeSelectorTerm(
                requirements(term.match_expressions, f"{place}.affinity", rule),
                requirements(term.match_fields, f"{place}.affinity", kube.check_field_requirement),
            )
            for term in terms
        )
    for toleration in spec.tolerations or ():
        if toleration.operator not in (None, "", "Equal", "Exists"):
            raise InputError(f"{place}.tolerations: operator {toleration.operator!r} is not one of Equal, Exists")
    return Speaker(
        namespace=item.namespace,
        name=item.name,
        node_selector=spec.node_selector or {},
        affinity=affinity,
        tolerations=tuple(
            Toleration(entry.key or "", entry.operator or "Equal", entry.value or "", entry.effect or "")
            for entry in spec.tolerations or ()
        ),
        requests=needs(spec, place),
        host_network=bool(spec.host_network),
        manifest=item.manifest(),
    )


def selected_by(speaker: Speaker | None, nodes: Iterable[Node]) -> list[str]:
    """The nodes on which the DaemonSet controller keeps a pod."""
    if speaker is None:
        return []
    return [
        node.name
        for node in nodes
        if speaker.node_selector.items() <= node.labels.items()
        and kube.affinity_selects(speaker.affinity, node.name, node.labels)
        and (not node.taints or kube.untolerated(node.taints, speaker.tolerations, speaker.host_network) is None)
    ]


def requirements(
    expressions: list[Expression] | None, place: str, rule: Callable[[Requirement], None] = kube.check_requirement
) -> tuple[Requirement, ...]:
    """`matchExpressions` or `matchFields`, each checked by `rule` as Kubernetes checks it."""
    found = tuple(Requirement(entry.key, entry.operator, tuple(entry.values or ())) for entry in expressions or ())
    for requirement in found:
        checked(place, partial(rule, requirement))
    return found


def read_selector(selector: Selector | None, place: str) -> LabelSelector | None:
    """A `metav1.LabelSelector`; None where it is absent."""
    if selector is None:
        return None
    labels = selector.match_labels or {}
    checked(f"{place}.matchLabels", partial(kube.check_labels, labels))
    return LabelSelector(labels, requirements(selector.match_expressions, f"{place}.matchExpressions"))


def read_peer(item: Item) -> Peer:
    """A BgpPeer of OpenELB."""
    if item.version != "v1alpha2":
        raise InputError(f"{item.place}: apiVersion {item.group}/{item.version} is not {OPENELB_GROUP}/v1alpha2")
    found = item.load(PeerObject)
    conf = found.spec.conf or PeerConf()
    return Peer(
        name=item.name,
        address=parse_address(conf.neighbor_address, f"{item.place}: spec.conf.neighborAddress"),
        asn=check_asn(conf.peer_as, f"{item.place}: spec.conf.peerAs"),
        selector=read_selector(found.spec.node_selector, f"{item.place}: spec.nodeSelector"),
        manifest=item.manifest(),
    )


def parse_address(text: str, place: str) -> str:
    """An IP address in its canonical form. Raises InputError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InputError(f"{place}: {text!r} is not an IP address") from None


def check_asn(asn: int, place: str, least: int = 0) -> int:
    """The AS number, 0 where it is not set. Raises InputError where it has more than 32 bits."""
    if not least <= asn < 2**32:
        raise InputError(f"{place} must be from {least} to 4294967295, not {asn}")
    return asn


def read_conf(found: Items, warnings: list[str]) -> Mapping[str, int] | None:
    """`asPerRack` of the BgpConf named `default`; OpenELB reads no other."""
    for item in by_name(found):
        if item.name != "default":
            warnings.append(f"{item.place}: OpenELB reads only the BgpConf named default")
    default = found.get(("", "default"))
    if default is None:
        return None
    spec = default.load(ConfObject).spec or ConfSpec()
    for rack, asn in (spec.as_per_rack or {}).items():
        check_asn(asn, f"{default.place}: spec.asPerRack ({rack})")
    return spec.as_per_rack or None

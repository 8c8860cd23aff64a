"""Kubernetes objects as `kubectl get` prints them -> a `Cluster` without routers.

Nodes, Pods, DaemonSets, OpenELB's BgpPeers and BgpConf are read; other kinds are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import starmap

import msgspec

from ..errors import InputError
from ..kube.names import check_labels
from ..kube.objects import ConfObject, ConfSpec, DaemonSetObject, NodeObject, NodeSpec, NodeStatus, PeerConf, PeerObject
from ..kube.parse import check_asn, checked, parse_address, read_selector, requirements
from ..kube.quantities import MAX_QUANTITY, parse_resources
from ..kube.selectors import affinity_selects, check_field_requirement, check_requirement
from ..kube.taints import check_taint, untolerated
from ..model import Cluster, Node, NodeSelectorTerm, Peer, Resources, Speaker, Taint, Today, Toleration
from ..progress import Tell, silent
from .items import GROUPS, OPENELB_GROUP, Item, objects, sources
from .pods import DEFAULT_DAEMONSET, needs, read_pods
from .text import Text

Items = Mapping[tuple[str, str], Item]


def read_cluster(inputs: Sequence[str], daemonset: str | None = None, tell: Tell = silent) -> Cluster:
    """The cluster in these files and folders; `-` is stdin. `daemonset` is `[namespace/]name`.

    Raises InputError naming file, object and field.
    """
    return build(read_objects(inputs, tell), daemonset)


def read_objects(inputs: Sequence[str], tell: Tell = silent) -> Found:
    """The objects in these files and folders, at least one Node among them. Raises InputError."""
    found = gather(sources(inputs), tell)
    if not found.nodes:
        raise InputError(f"{', '.join(inputs)}: no Node among the objects; dump them with kubectl get nodes -o json")
    return found


class Found(msgspec.Struct):
    """The objects by kind, then by namespace and name; the nodes are decoded, sorted by name."""

    items: Mapping[str, Items]
    nodes: Mapping[str, Node]


def gather(texts: Iterable[tuple[str, Text]], tell: Tell = silent) -> Found:
    """The objects in texts, each with the name under which messages speak of it. Raises InputError."""
    items: dict[str, dict[tuple[str, str], Item]] = {kind: {} for kind in GROUPS}
    nodes: dict[str, Node] = {}
    for name, text in texts:
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
    return Found(items, dict(sorted(nodes.items())))


def build(found: Found, wanted: str | None, live: bool = False) -> Cluster:
    """The cluster from the objects, sorted by kind.

    `live`: they come from the cluster itself, with the speakers' pods alone. So where these are is known for sure, and
    nothing is taken for granted of the others.
    """
    items, nodes = found.items, found.nodes
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
    if live:
        requested = {}  # of a few nodes a part would be known, where the DaemonSet selects pods of others
    elif not items["Pod"]:
        warnings.append("no Pods in the input: room on nodes is taken as all that is allocatable")
    if not running and not live:
        running = expected_speakers(chosen, speaker, nodes.values(), bool(items["Pod"]), warnings)
    lost = sorted(set(running) - set(nodes))
    if lost and live:
        # Pods outlive their node by up to minutes.
        warnings.append(f"{len(lost)} speakers' nodes are gone, such as {lost[0]}: they are taken as not running")
    elif lost:
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
        # One that is being deleted (OpenELB's finalizer may hold it) asks for no session any more.
        peers=tuple(read_peer(item) for item in by_name(items["BgpPeer"]) if not is_leaving(item)),
        speaker=speaker,
        as_per_rack=read_conf(items["BgpConf"], warnings),
        daemonsets=tuple(daemonsets),
        today=Today(speakers=tuple(sorted(set(running).difference(lost)))),
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
    endless = [node.name for node in nodes if node.allocatable is None or MAX_QUANTITY in amounts(node)]
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
    given = parse_resources({key: amount for key, amount in listed.items() if amount is not None})
    return Resources(*(MAX_QUANTITY if amount is None else getattr(given, key) for key, amount in listed.items()))


@lru_cache(maxsize=4096)
def read_taints(*given: tuple[str, str, str]) -> tuple[Taint, ...]:
    """The taints from key, effect and value of each. Raises ValueError."""
    taints = tuple(starmap(Taint, given))
    for taint in taints:
        check_taint(taint)
    return taints


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
        and affinity_selects(speaker.affinity, node.name, node.labels)
        and (not node.taints or untolerated(node.taints, speaker.tolerations, speaker.host_network) is None)
    ]


def is_leaving(item: Item) -> bool:
    """Whether a BgpPeer is being deleted."""
    return item.load(PeerObject).metadata.deletion_timestamp is not None


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

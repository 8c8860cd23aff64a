"""Kubernetes objects as `kubectl get` prints them -> a `Cluster` without routers.

Nodes, Pods, DaemonSets and the objects of the products in `speakers` are read; other kinds are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial

import msgspec

from ..errors import InputError
from ..kube.item import Item, Items, by_name
from ..kube.kinds import NODE, POD
from ..kube.names import check_labels
from ..kube.objects import DaemonSetObject, NodeObject, NodeSpec, NodeStatus
from ..kube.parse import checked, read_taints, read_toleration, requirements
from ..kube.quantities import MAX_QUANTITY, parse_resources
from ..kube.selectors import affinity_selects, check_field_requirement, check_requirement
from ..kube.taints import untolerated
from ..model import Cluster, Node, NodeSelectorTerm, Resources, Speaker, Taint, Today
from ..progress import Tell, silent
from ..speakers import PRODUCTS, choose_product
from ..speakers.product import Product
from ..words import are, plural
from .items import kind_key, objects, readable_kinds, sources
from .pods import needs, read_pods, with_requested
from .text import Text


def read_cluster(
    inputs: Sequence[str],
    daemonset: str | None = None,
    tell: Tell = silent,
    product: str = "",
    expected: str = "",
    file: str = "",
) -> Cluster:
    """The cluster in these files and folders; `-` is stdin. `daemonset` is `[namespace/]name`.

    `product` names the speakers' product, which else the objects say; `expected` is the one that a placement was made
    for, that of `file`. Raises InputError naming file, object and field.
    """
    return build(read_objects(inputs, tell), daemonset, product, expected, file=file)


def read_objects(inputs: Sequence[str], tell: Tell = silent) -> Found:
    """The objects in these files and folders, at least one Node among them. Raises InputError."""
    found = gather(sources(inputs), tell)
    if not found.nodes:
        raise InputError(f"{', '.join(inputs)}: no Node among the objects; dump them with kubectl get nodes -o json")
    return found


class Found(msgspec.Struct):
    """The objects by kind (`Readable.key`), then by namespace and name; the nodes are decoded, sorted by name."""

    items: Mapping[str, Items]
    nodes: Mapping[str, Node]

    @property
    def products(self) -> list[str]:
        """The products of which there are objects, or the DaemonSet by its usual name."""
        daemonsets = {name for _, name in self.items["DaemonSet"]}
        return [
            name
            for name, each in PRODUCTS.items()
            if each.daemonset in daemonsets or any(self.items[kind_key(kind)] for kind in each.kinds)
        ]


def gather(texts: Iterable[tuple[str, Text]], tell: Tell = silent) -> Found:
    """The objects in texts, each with the name under which messages speak of it. Raises InputError."""
    readable = readable_kinds()
    items: dict[str, dict[tuple[str, str], Item]] = {each.key: {} for each in readable.values()}
    nodes: dict[str, Node] = {}
    for name, text in texts:
        for item in objects(text, name, tell):
            key = readable[item.group, item.kind].key
            first = items[key].setdefault((item.namespace, item.name), item)
            if first is not item:
                raise InputError(f"{item.place}: given twice, first in {first.file}")
            # There may be millions: nodes need not be held twice, and pods are decoded when the DaemonSet is known.
            if key == NODE.name:
                nodes[item.name] = read_node(item)
                item.content = msgspec.Raw()
            if key in (NODE.name, POD.name):
                item.found = None
    return Found(items, dict(sorted(nodes.items())))


def build(
    found: Found, wanted: str | None, product: str = "", expected: str = "", live: bool = False, file: str = ""
) -> Cluster:
    """The cluster from the objects, sorted by kind; the parameters are those of `read_cluster`.

    `live`: they come from the cluster itself, with the speakers' pods alone. So where these are is known for sure, and
    nothing is taken for granted of the others.
    """
    items, nodes = found.items, found.nodes
    warnings: list[str] = []
    maker, assumed = choose_product(found.products, product, expected, file)
    if assumed:
        warnings.append(
            f"nothing in the {'cluster' if live else 'input'} says which product the speakers belong to: "
            f"{maker.title} is assumed (--product names another one)"
        )
    daemonsets = [item.manifest() for item in by_name(items["DaemonSet"])]
    chosen = choose_daemonset(items["DaemonSet"], wanted or maker.daemonset, bool(wanted))
    speaker = read_speaker(chosen) if chosen else None
    if speaker is None:
        warnings.append(
            f"no speaker DaemonSet in the input: {maker.title}'s own requests ({requests_of(maker)}) are assumed, "
            "and that its pods may run on every node without taints"
        )
    running, requested = read_pods(items["Pod"].values(), chosen, maker.daemonset)
    if live:
        requested = {}  # of a few nodes a part would be known, where the DaemonSet selects pods of others
    elif not items["Pod"]:
        warnings.append("no Pods in the input: all that is allocatable on nodes is assumed to be free")
    if not running and not live:
        known = chosen or maker.restrictable
        running = (
            expected_speakers(chosen, speaker, nodes.values(), bool(items["Pod"]), warnings) if known else [*nodes]
        )
    running = on_known_nodes(running, nodes, live, warnings)
    warnings += node_warnings(nodes.values())
    peers, settings = maker.read({kind.name: items[kind_key(kind)] for kind in maker.kinds}, warnings)
    return Cluster(
        nodes=with_requested(nodes.values(), requested),
        peers=peers,
        speaker=speaker,
        settings=settings,
        daemonsets=tuple(daemonsets),
        today=Today(speakers=tuple(sorted(set(running)))),
        warnings=tuple(warnings),
        product=maker.name,
    )


def on_known_nodes(running: Collection[str], nodes: Collection[str], live: bool, warnings: list[str]) -> list[str]:
    """The speakers whose nodes there are. Raises InputError where a dump lacks some."""
    lost = sorted(set(running).difference(nodes))
    if lost and not live:
        raise InputError(
            f"speakers run on {plural(len(lost), 'node')} that {are(len(lost))} not in the input, such as {lost[0]}: "
            "dump all nodes, since the change would reach these speakers as well"
        )
    if lost:
        # Pods outlive their node by up to minutes.
        told = f"{plural(len(lost), 'node')} of speakers {are(len(lost))} gone, such as {lost[0]}"
        warnings.append(f"{told}: these speakers are assumed not to run")
    return [name for name in running if name in nodes]


def requests_of(product: Product) -> str:
    """What a product's speaker requests, in words."""
    return f"{product.requests.cpu}m CPU, {product.requests.memory >> 20}Mi memory"


def expected_speakers(
    daemonset: Item | None, speaker: Speaker | None, nodes: Iterable[Node], with_pods: bool, warnings: list[str]
) -> list[str]:
    """Where speakers run when no pod says so: where the DaemonSet selects nodes, unless its status counts no pod."""
    running = selected_by(speaker, nodes)
    status = daemonset.load(DaemonSetObject).status if daemonset else None
    if status and status.current_number_scheduled == 0:
        return []
    if with_pods and daemonset and running:
        warnings.append(
            f"{daemonset.place}: none of its pods is in the input (were the pods of all namespaces dumped, -A?), so it "
            f"is assumed to run on the {len(running)} nodes that it selects"
        )
    return running


def node_warnings(nodes: Collection[Node]) -> list[str]:
    """What trimmed dumps leave open."""
    found = []
    unknown = [node.name for node in nodes if node.ready is None]
    if unknown:
        have, they = ("has", "it is") if len(unknown) == 1 else ("have", "they are")
        found.append(f"{len(unknown)} of {len(nodes)} nodes {have} no Ready condition: assuming {they} Ready")
    endless = [node.name for node in nodes if node.allocatable is None or MAX_QUANTITY in amounts(node)]
    if endless:
        do = "does" if len(endless) == 1 else "do"
        found.append(
            f"{len(endless)} of {len(nodes)} nodes {do} not say how much CPU, memory or how many pods are allocatable, "
            f"such as {endless[0]}: what is not said is assumed to be unlimited"
        )
    return found


def amounts(node: Node) -> tuple[int, ...]:
    """The allocatable amounts of a node that has them."""
    return (node.allocatable.cpu, node.allocatable.memory, node.allocatable.pods) if node.allocatable else ()


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


def choose_daemonset(found: Items, wanted: str, needed: bool) -> Item | None:
    """The speaker DaemonSet, `[namespace/]name`; None where it is missing though not `needed`. Raises InputError."""
    namespace, _, name = wanted.rpartition("/")
    matching = [item for item in by_name(found) if item.name == name and namespace in ("", item.namespace)]
    if len(matching) > 1:
        places = ", ".join(f"{item.namespace}/{item.name}" for item in matching)
        raise InputError(f"several DaemonSets are named {name} ({places}); say which with --daemonset NAMESPACE/NAME")
    if needed and not matching:
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
    return Speaker(
        namespace=item.namespace,
        name=item.name,
        node_selector=spec.node_selector or {},
        affinity=affinity,
        tolerations=tuple(read_toleration(entry, f"{place}.tolerations") for entry in spec.tolerations or ()),
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

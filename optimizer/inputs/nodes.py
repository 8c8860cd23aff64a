"""Node objects -> nodes: their state, and how much is allocatable."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache, partial

import msgspec

from ..findings import Finding
from ..kube.item import Item
from ..kube.objects import NodeObject, NodeSpec, NodeStatus
from ..kube.parse import checked, read_taints
from ..kube.quantities import MAX_QUANTITY, parse_resources
from ..model import Node, Resources, Taint


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
    unsaid = {key: MAX_QUANTITY for key, amount in listed.items() if amount is None}
    return msgspec.structs.replace(given, **unsaid)


def node_warnings(nodes: Collection[Node]) -> list[Finding]:
    """What trimmed dumps leave open."""
    found: list[Finding] = []
    unknown = [node.name for node in nodes if node.ready is None]
    if unknown:
        have, they = ("has", "it is") if len(unknown) == 1 else ("have", "they are")
        told = f"{len(unknown)} of {len(nodes)} nodes {have} no Ready condition: assuming {they} Ready"
        found.append(Finding("node-without-ready", told))
    endless = [node.name for node in nodes if node.allocatable is None or MAX_QUANTITY in amounts(node)]
    if endless:
        do = "does" if len(endless) == 1 else "do"
        told = (
            f"{len(endless)} of {len(nodes)} nodes {do} not say how much CPU, memory or how many pods are allocatable, "
            f"such as {endless[0]}: what is not said is assumed to be unlimited"
        )
        found.append(Finding("node-without-allocatable", told, f"Node {endless[0]}"))
    return found


def amounts(node: Node) -> tuple[int, ...]:
    """The allocatable amounts of a node that has them."""
    return (node.allocatable.cpu, node.allocatable.memory, node.allocatable.pods) if node.allocatable else ()

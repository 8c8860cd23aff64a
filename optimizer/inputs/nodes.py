"""Node objects -> nodes: their state, and how much is allocatable."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache, partial

from ..findings import Finding
from ..kube.item import Item
from ..kube.objects import NodeObject, NodeSpec, NodeStatus
from ..kube.parse import checked, read_taints
from ..kube.quantities import MAX_QUANTITY, parse_resources
from ..kube.troubles import NOT_READY, UNSCHEDULABLE, troubles
from ..model import Node, Resources, Taint

Amount = str | int | float
OWN, STORAGE = ("cpu", "memory", "pods"), "ephemeral-storage"


def read_node(item: Item) -> Node:
    """A Node object as a `Node`; what is equal in many nodes is held once."""
    found = item.load(NodeObject)
    spec, status = found.spec or NodeSpec(), found.status or NodeStatus()
    labels = found.metadata.labels or {}
    system = status.node_info.operating_system if status.node_info else None
    conditions = {each.type: each.status for each in status.conditions or ()}
    ready = conditions["Ready"] == "True" if "Ready" in conditions else None
    unschedulable = bool(spec.unschedulable)
    allocatable: Resources | None = None
    taints: tuple[Taint, ...] = ()
    # "Allocatable ... Defaults to Capacity" (Node API).
    if listed := status.allocatable or status.capacity:
        allocatable = checked(f"{item.place}: status.allocatable", partial(read_room, listed))
    if spec.taints:
        given = ((taint.key, taint.effect, taint.value or "") for taint in spec.taints)
        taints = checked(f"{item.place}: spec.taints", partial(read_taints, *given))
        # Kubernetes itself puts these on, so where a trimmed dump says no more they tell the node's state.
        keys = {taint.key for taint in taints}
        unschedulable = unschedulable or UNSCHEDULABLE in keys
        if ready is None and not NOT_READY.isdisjoint(keys):
            ready = False
    return Node(
        name=item.name,
        labels=labels,
        taints=taints,
        unschedulable=unschedulable,
        deleting=found.metadata.deletion_timestamp is not None,
        ready=ready,
        addresses=tuple([address.address for address in status.addresses or () if address.type == "InternalIP"]),
        allocatable=allocatable,
        troubles=troubles(conditions, taints, labels, system or ""),
    )


def read_room(listed: dict[str, Amount]) -> Resources:
    """What is allocatable. Of CPU, memory and pods what is not said is without bound, of others there is none.

    Storage is among the others only where all three are said: else the list is a part. Raises ValueError.
    """
    own = {name: listed[name] for name in OWN if name in listed}
    given = parse_resources(own)
    partly = len(own) < len(OWN) and STORAGE not in listed
    return Resources(
        given.cpu if "cpu" in own else MAX_QUANTITY,
        given.memory if "memory" in own else MAX_QUANTITY,
        given.pods if "pods" in own else MAX_QUANTITY,
        read_others(tuple([each for each in listed.items() if each[0] not in own]), partly),
    )


@lru_cache(maxsize=4096)
def read_others(listed: tuple[tuple[str, Amount], ...], partly: bool) -> dict[str, int]:
    """The other resources, one object for all nodes with the same ones. Raises ValueError."""
    found = dict(parse_resources(dict(listed)).others)
    return found | {STORAGE: MAX_QUANTITY} if partly else found


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

"""Clusters of any size, one function a family; the same arguments give the same cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from optimizer.model import Cluster, Node, Router

Family = Callable[[int], Cluster]
RACK = 40


def build(nodes: list[Node], routers: list[Router], attachments: Mapping[str, list[str]]) -> Cluster:
    """The cluster, sorted as the model wants it."""
    return Cluster(
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        routers=tuple(sorted(routers, key=lambda router: router.name)),
        attachments={router: tuple(sorted(names)) for router, names in sorted(attachments.items())},
    )


def rack_nodes(size: int) -> list[Node]:
    """Nodes in racks of 40, ten to a chassis, racks in turn in three zones."""
    return [
        Node(
            f"node-{i:07d}",
            domains={"rack": f"r{i // RACK}", "chassis": f"c{i // 10}", "zone": f"z{i // RACK % 3}"},
        )
        for i in range(size)
    ]


def single_tor(size: int) -> Cluster:
    """Each rack under one leaf router. Optimum with k = 2: two sessions a rack."""
    nodes = rack_nodes(size)
    attachments: dict[str, list[str]] = {}
    for node in nodes:
        attachments.setdefault(f"leaf-{node.domains['rack']}", []).append(node.name)
    routers = [Router(name, domains={"rack": name.removeprefix("leaf-")}) for name in attachments]
    return build(nodes, routers, attachments)


def dual_tor(size: int) -> Cluster:
    """Each rack under two ToR routers that accept 32 sessions each. Optimum with k = 2: four sessions a rack."""
    nodes = rack_nodes(size)
    attachments: dict[str, list[str]] = {}
    for node in nodes:
        for side in "ab":
            attachments.setdefault(f"tor-{node.domains['rack']}-{side}", []).append(node.name)
    routers = [Router(name, max_sessions=32, domains={"rack": name[4:-2]}) for name in attachments]
    return build(nodes, routers, attachments)


def irregular(size: int) -> Cluster:
    """Every node attached to 2 to 6 of size / 25 routers at random."""
    draw = random.Random(size)
    names = [f"router-{i:05d}" for i in range(max(6, size // 25))]
    attachments: dict[str, list[str]] = {name: [] for name in names}
    nodes = rack_nodes(size)
    for node in nodes:
        for name in draw.sample(names, draw.randint(2, 6)):
            attachments[name].append(node.name)
    return build(nodes, [Router(name) for name in names], attachments)


FAMILIES: Mapping[str, Family] = {"single-tor": single_tor, "dual-tor": dual_tor, "irregular": irregular}
OPTIMUM: Mapping[str, Callable[[int], int]] = {
    "single-tor": lambda size: 2 * -(-size // RACK),
    "dual-tor": lambda size: 4 * -(-size // RACK),
}
"""Sessions of the optimum with k = 2 and any protected chassis, for sizes of whole racks."""

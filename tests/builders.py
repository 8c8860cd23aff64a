"""Small clusters of regular shape for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.model import Cluster, Node, Router


def cluster_of(
    attachments: Mapping[str, Sequence[str]],
    nodes: Sequence[Node] = (),
    routers: Sequence[Router] = (),
) -> Cluster:
    """The cluster with these attachments (router -> nodes); nodes and routers not given are plain ones."""
    names = {name for attached in attachments.values() for name in attached}
    known = {node.name: node for node in nodes}
    described = {router.name: router for router in routers}
    return Cluster(
        nodes=tuple(known.get(name) or Node(name) for name in sorted(names | known.keys())),
        routers=tuple(described.get(name) or Router(name) for name in sorted(attachments)),
        attachments={router: tuple(sorted(attachments[router])) for router in sorted(attachments)},
    )


def single_tor(racks: int, size: int) -> Cluster:
    """Racks of nodes, each rack under one leaf router of its own."""
    return cluster_of({f"leaf-{r:04d}": [f"node-{r:04d}-{i:03d}" for i in range(size)] for r in range(racks)})


def dual_tor(racks: int, size: int, chassis: int = 10) -> Cluster:
    """Racks of nodes under two ToR routers each, `chassis` nodes to a chassis."""
    attachments: dict[str, list[str]] = {}
    nodes = []
    for r in range(racks):
        names = [f"node-{r:04d}-{i:03d}" for i in range(size)]
        nodes += [
            Node(name, domains={"chassis": f"c-{r}-{i // chassis}", "rack": f"r-{r}"}) for i, name in enumerate(names)
        ]
        attachments |= {f"tor-{r:04d}-{side}": names for side in "ab"}
    routers = [Router(name, domains={"rack": f"r-{int(name[4:8])}"}) for name in attachments]
    return cluster_of(attachments, nodes, routers)


def goal_values(objectives: Sequence[object]) -> dict[str, int]:
    """The values of a placement's goals by name."""
    return {goal.name: goal.value for goal in objectives}  # type: ignore[attr-defined]

"""What routers hold: the next hops that OpenELB's speakers announce."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ...model import Cluster, Paths, Placement
from .kinds import RACK_LABEL
from .read import RACKS


def paths(cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
    """What each router holds for one service: the next hops announced over all its sessions.

    A speaker announces every node, but under `asPerRack` those with the rack label of its own node, if it has one.
    """
    nodes, speakers = len(cluster.nodes), cluster.today.speakers
    racks = {node.name: node.labels.get(RACK_LABEL) for node in cluster.nodes} if cluster.settings.get(RACKS) else {}
    sizes = Counter({**Counter(racks.values()), None: nodes})

    def hops(names: Sequence[str]) -> int:
        return sum(sizes[racks.get(name)] for name in names) if racks else nodes * len(names)

    # Where all speakers hold a session, there is no need to go through them each time.
    today, everyone = cluster.today, hops(speakers)
    now = {name: everyone if today.everywhere(name) else hops(held) for name, held in today.sessions.items()}
    proposed: defaultdict[str, list[str]] = defaultdict(list)
    for session in placement.sessions:
        proposed[session.router].append(session.node)
    return tuple(Paths(router.name, now.get(router.name, 0), hops(proposed[router.name])) for router in cluster.routers)

"""What routers hold: the next hops that OpenELB's speakers announce."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from ...model import Cluster, Paths, Peer, Placement
from .differences import family
from .kinds import RACK_LABEL
from .objects import AddPaths, AddPathsConfig, PeerSpec
from .read import RACKS

UNICAST = ("AFI_IP", "AFI_IP6")
"""The families that carry services."""


def paths(cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
    """What each router holds for one service, over all its sessions: a path for each next hop where the session sends
    all of them (`sends_all`), else one path.

    A speaker's next hops are all nodes, but under `asPerRack` those with the rack label of its own node, if it has one.
    Nobody enforces `sendMax`: all are sent. The routers are assumed to accept them (Add-Path takes both sides).
    """
    nodes, speakers = len(cluster.nodes), cluster.today.working
    labelled = cluster.nodes if cluster.settings.get(RACKS) else ()
    racks = {node.name: node.labels.get(RACK_LABEL) or None for node in labelled}
    sizes = Counter({**Counter(racks.values()), None: nodes})
    peers = {peer.name: peer for peer in cluster.peers}
    alone = {each.name for each in cluster.routers if each.peer in peers and not sends_all(peers[each.peer])}

    def hops(router: str, names: Sequence[str]) -> int:
        if router in alone:
            return len(names)
        return sum(sizes[racks.get(name)] for name in names) if racks else nodes * len(names)

    # Where all speakers hold a session, there is no need to go through them each time.
    today, everyone = cluster.today, hops("", speakers)
    now = {
        name: everyone if today.held_by_all(name) and name not in alone else hops(name, held)
        for name, held in today.held.items()
    }
    proposed: defaultdict[str, list[str]] = defaultdict(list)
    for session in placement.sessions:
        proposed[session.router].append(session.node)
    names = (router.name for router in cluster.routers)
    return tuple(Paths(name, now.get(name, 0), hops(name, proposed[name])) for name in names)


def sends_all(peer: Peer) -> bool:
    """Whether the sessions of a BgpPeer carry all next hops of a service, and not one path.

    They do where `afiSafis` turn Add-Path on for the family of the neighbour's address; where that family is not among
    them, for another one that carries services. Without any `afiSafis` OpenELB turns it on itself.
    """
    given: Mapping[str, object] = peer.manifest.get("spec") or {}
    spec = msgspec.convert({"afiSafis": given.get("afiSafis")}, PeerSpec)
    if not spec.afi_safis:
        return True
    found = {}
    for entry, raw in zip(spec.afi_safis, peer.manifest["spec"]["afiSafis"], strict=True):
        config = ((entry and entry.add_paths) or AddPaths()).config or AddPathsConfig()
        # GoBGP keeps the number in eight bits.
        found[family(raw or {}, peer.address)] = (config.send_max or 0) % 256 > 0
    own = family({}, peer.address)
    return found[own] if own in found else any(found.get(each, False) for each in UNICAST)

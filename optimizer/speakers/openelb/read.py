"""BgpPeers and the BgpConf as an input has them -> what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InputError
from ...findings import Finding
from ...kube.item import Item, Items, by_name
from ...kube.parse import check_asn, parse_address, read_selector
from ...model import Cluster, LabelSelector, Peer, Router
from .kinds import BGP_CONF, BGP_PEER, PARKED_ADDRESS
from .objects import ConfObject, ConfSpec, PeerConf, PeerObject

RACKS = "asPerRack"
"""The setting that holds the AS number of each rack, where next hops are those of a rack."""


def read(items: Mapping[str, Items], warnings: list[Finding]) -> tuple[tuple[Peer, ...], Mapping[str, Any]]:
    """The BgpPeers, and the settings in the BgpConf. Raises InputError."""
    # One that is being deleted (a finalizer may hold it) asks for no session any more.
    found = [item for item in by_name(items[BGP_PEER.name]) if not is_leaving(item)]
    racks = read_conf(items[BGP_CONF.name], warnings)
    return tuple(map(read_peer, found)), {RACKS: racks} if racks else {}


def is_leaving(item: Item) -> bool:
    """Whether a BgpPeer is being deleted."""
    return item.load(PeerObject).metadata.deletion_timestamp is not None


def read_peer(item: Item) -> Peer:
    """A BgpPeer. Raises InputError."""
    if item.version != BGP_PEER.version:
        raise InputError(f"{item.place}: apiVersion {item.group}/{item.version} is not {BGP_PEER.api_version}")
    found = item.load(PeerObject)
    conf = found.spec.conf or PeerConf()
    address = parse_address(conf.neighbor_address, f"{item.place}: spec.conf.neighborAddress")
    return Peer(
        name=item.name,
        address=address,
        asn=check_asn(conf.peer_as, f"{item.place}: spec.conf.peerAs"),
        selector=read_selector(found.spec.node_selector, f"{item.place}: spec.nodeSelector"),
        manifest=item.manifest(),
        parked=address == PARKED_ADDRESS,
    )


def read_conf(found: Items, warnings: list[Finding]) -> Mapping[str, int] | None:
    """`asPerRack` of the BgpConf named `default`; OpenELB reads no other. Raises InputError."""
    for item in by_name(found):
        if item.name != "default":
            sentence = f"{item.place}: OpenELB reads only the BgpConf named default"
            warnings.append(Finding("settings-ignored", sentence, f"BgpConf {item.name}"))
    default = found.get(("", "default"))
    if default is None:
        return None
    spec = default.load(ConfObject).spec or ConfSpec()
    for rack, asn in (spec.as_per_rack or {}).items():
        check_asn(asn, f"{default.place}: spec.asPerRack ({rack})")
    return spec.as_per_rack or None


def sessions(
    cluster: Cluster, routers: Sequence[Router], select: Callable[[LabelSelector | None], tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """For every router the running speakers that its BgpPeers select, those of all of them together."""
    speakers = cluster.today.speakers
    running, every = set(speakers), len(cluster.nodes)
    by_address = {router.address: router.name for router in routers if router.peer}
    found: dict[str, tuple[str, ...]] = {}
    for peer in cluster.peers:
        if peer.parked:
            continue
        name, selected = by_address[peer.address], select(peer.selector)
        held = speakers if len(selected) == every else tuple(node for node in selected if node in running)
        if name in found and found[name] != held:
            held = tuple(sorted({*found[name], *held}))
        found[name] = held
    return dict(sorted(found.items()))

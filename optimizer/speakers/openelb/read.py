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
from .objects import ConfObject, ConfSpec, PeerConf, PeerObject, PeerSpec

RACKS = "asPerRack"
"""The setting that holds the AS number of each rack, where next hops are those of a rack."""

PASSED_OVER = "passedOver"
"""The setting that holds the BgpPeers that cannot be read, by name, and the address of each, "" where that is none.

Nobody else may have their names, and no other BgpPeer may be created for their addresses.
"""

LEFT_ALONE = "this BgpPeer is passed over, and sessions that it may give are not looked at"


def read(items: Mapping[str, Items], warnings: list[Finding]) -> tuple[tuple[Peer, ...], Mapping[str, Any]]:
    """The BgpPeers, and the settings in the BgpConf. One that cannot be read is passed over, with a warning.

    Raises InputError for a version that is not known, and for a BgpConf that cannot be read.
    """
    peers, lost = list[Peer](), dict[str, str]()
    for item in by_name(items[BGP_PEER.name]):
        if item.version != BGP_PEER.version:
            raise InputError(f"{item.place}: apiVersion {item.group}/{item.version} is not {BGP_PEER.api_version}")
        found = read_peer(item)
        if isinstance(found, Finding):
            warnings.append(found)
            lost[item.name] = address_in(item)
        elif found is not None:
            peers.append(found)
    racks = read_conf(items[BGP_CONF.name], warnings)
    return tuple(peers), {**({RACKS: racks} if racks else {}), **({PASSED_OVER: lost} if lost else {})}


def read_peer(item: Item) -> Peer | Finding | None:
    """A BgpPeer, or why it cannot be read; None for one that is being deleted (a finalizer may hold it), which asks for
    no session any more.

    An AS number of 0, or none, is no fault: GoBGP then takes whatever the neighbour says.
    """
    try:
        found = item.load(PeerObject)
        if found.metadata.deletion_timestamp is not None:
            return None
        spec = found.spec or PeerSpec()
        conf = spec.conf or PeerConf()
        asn = check_asn(conf.peer_as or 0, f"{item.place}: spec.conf.peerAs")
        selector = read_selector(spec.node_selector, f"{item.place}: spec.nodeSelector")
        manifest = item.manifest()
    except InputError as error:
        return Finding("peer-invalid", f"{error}: {LEFT_ALONE}", f"BgpPeer {item.name}")
    place = f"{item.place}: spec.conf.neighborAddress"
    try:
        address = parse_address(conf.neighbor_address or "", place)
    except InputError as error:
        told = error if conf.neighbor_address else f"{place} is missing"
        return Finding("peer-address", f"{told}: {LEFT_ALONE}", f"BgpPeer {item.name}")
    parked = address == PARKED_ADDRESS
    return Peer(item.name, address, asn, selector, manifest, parked, off=bool(conf.admin_down) and not parked)


def address_in(item: Item) -> str:
    """The address of a BgpPeer that cannot be read otherwise; "" where it cannot either."""
    try:
        address = item.manifest()["spec"]["conf"]["neighborAddress"]
        return parse_address(address, item.place) if isinstance(address, str) else ""
    except (InputError, KeyError, TypeError):
        return ""


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
    """For every router the running speakers that its BgpPeers select, those of all of them together.

    One that is administratively down gives no session.
    """
    speakers = cluster.today.speakers
    running, every = set(speakers), len(cluster.nodes)
    by_address = {router.address: router.name for router in routers if router.peer}
    found: dict[str, tuple[str, ...]] = {}
    for peer in cluster.peers:
        if peer.parked or peer.off:
            continue
        name, selected = by_address[peer.address], select(peer.selector)
        held = speakers if len(selected) == every else tuple(node for node in selected if node in running)
        if name in found and found[name] != held:
            held = tuple(sorted({*found[name], *held}))
        found[name] = held
    return dict(sorted(found.items()))

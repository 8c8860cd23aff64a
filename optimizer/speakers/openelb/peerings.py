"""The sessions that BgpPeers give, read from plain objects for the checks: no code is shared with what writes them."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...kube.selectors import check_requirement, matcher
from ...model import Cluster, LabelSelector, Requirement
from .kinds import PARKED_ADDRESS


def peerings(
    cluster: Cluster, running: Mapping[str, Mapping[str, str]], peers: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Sessions (node, router) of each speaker with all BgpPeers that have no selector or match its node.

    BgpPeers that are parked, to be removed, or administratively down give none, and so do those whose address is none.
    Where two have one address, both give theirs.
    """
    by_address = {router.address: router.name for router in cluster.routers if router.address}
    by_peer = {router.peer: router.name for router in cluster.routers if not router.address}
    by_label = defaultdict[tuple[str, str], list[str]](list)
    for name, labels in running.items():
        for label in labels.items():
            by_label[label].append(name)
    for peer in peers:
        spec = peer.get("spec") or {}
        address = address_of(peer)
        if address in (None, PARKED_ADDRESS) or is_down(peer):
            continue
        router = by_address.get(address) or by_peer.get(peer["metadata"]["name"]) or address
        selector = selector_of(spec.get("nodeSelector") or {})
        fits = matcher(selector)
        # A label that is asked for leaves few nodes to look at.
        asked = [by_label[label] for label in selector.match_labels.items()]
        asked += [
            [name for value in set(part.values) for name in by_label.get((part.key, value), ())]
            for part in selector.match_expressions
            if part.operator == "In"
        ]
        for name in min(asked, key=len, default=running):
            if fits(running[name]):
                yield name, router


def address_of(peer: Mapping[str, Any]) -> str | None:
    """The address of a BgpPeer's neighbour, the same however it is written; None where it is none."""
    try:
        address = ipaddress.ip_address(((peer.get("spec") or {}).get("conf") or {}).get("neighborAddress") or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_down(peer: Mapping[str, Any]) -> bool:
    """Whether a BgpPeer is administratively down."""
    return bool(((peer.get("spec") or {}).get("conf") or {}).get("adminDown"))


def selector_of(raw: Mapping[str, Any]) -> LabelSelector:
    """A selector of a BgpPeer. Raises ValueError where Kubernetes refuses it."""
    entries = raw.get("matchExpressions") or ()
    found = tuple(Requirement(each["key"], each["operator"], tuple(each.get("values") or ())) for each in entries)
    for requirement in found:
        check_requirement(requirement)
    return LabelSelector(raw.get("matchLabels") or {}, found)


def duplicates(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The second and later BgpPeers of one address: the address, and the name. Where all are down, none is too many."""
    found = [(address, peer) for peer in peers if (address := address_of(peer))]
    asked, seen = {address for address, peer in found if not is_down(peer)}, set[str]()
    for address, peer in found:
        if address in seen and address in asked:
            yield f"address {address}: {peer['metadata']['name']}"
        seen.add(address)

"""Peer objects -> the routers that they belong to, and the nodes that they select."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from ..errors import InputError
from ..findings import Finding
from ..model import Cluster, LabelSelector, Peer, Router
from ..speakers import product_named
from ..speakers.product import Product
from ..words import listed
from .node_index import NodeIndex

Attached = tuple[LabelSelector | None, tuple[str, ...]]
"""The nodes attached to a router, and the selector if just one says so."""

MOST_FIELDS = 8


def match_peers(
    described: Mapping[str, Router], cluster: Cluster, label: str | None, warnings: list[Finding], in_bgp: bool
) -> tuple[dict[str, Router], dict[str, tuple[Peer, ...]]]:
    """Routers joined with their peer objects; one that the topology does not describe is a router of its own.

    A router whose peer object is administratively down is left out: in mode bgp it asks for nothing.
    """
    product = product_named(cluster.product)
    kind, routers = product.kinds[0].name, dict(described)
    by_address = {router.address: name for name, router in routers.items() if router.address}
    peers_of: dict[str, tuple[Peer, ...]] = {}
    for group in by_router((peer for peer in cluster.peers if not (peer.off and in_bgp)), product):
        peer = group[0]
        name = known_as(group, routers, by_address, peers_of, label)
        if name is None:
            name = peer.name if peer.name not in routers else f"{peer.name} ({peer.address})"
            routers[name] = Router(name=name)
        router = routers[name]
        if router.asn and peer.asn and router.asn != peer.asn:
            told = f"router {name}: the topology says AS {router.asn}, {kind} {peer.name} says AS {peer.asn}"
            warnings.append(Finding("as-differs", told, f"router {name}"))
        routers[name] = msgspec.structs.replace(
            router, address=peer.address, asn=router.asn or peer.asn or None, peer=peer.name
        )
        by_address[peer.address] = name
        peers_of[name] = group
    for peer in (each for each in cluster.peers if each.off and in_bgp):
        name = known_as((peer,), routers, by_address, peers_of, label)
        routers.pop(name or "", None)
        told = f"router {name or peer.name} has no session, and asks for none"
        told = f"{kind} {peer.name} is administratively down: {told}"
        warnings.append(Finding("peer-admin-down", told, f"{kind} {peer.name}"))
    nameless = [name for name, router in routers.items() if router.address is None]
    if nameless and any(router.address for router in routers.values()):
        told = f"{len(nameless)} routers have neither an address nor a {kind}, such as {min(nameless)}: is it misspelt?"
        warnings.append(Finding("router-without-peer", told, f"router {min(nameless)}"))
    return routers, peers_of


def by_router(peers: Iterable[Peer], product: Product) -> list[tuple[Peer, ...]]:
    """The peer objects of each router: those of one address, unless the product keeps apart what differs in them."""
    found: dict[str, list[list[Peer]]] = {}
    groups: list[list[Peer]] = []
    for peer in peers:
        if peer.parked:
            continue
        known = found.setdefault(peer.address, [])
        alike = (each for each in known if not product.keeps_apart or not product.differences(each[0], peer))
        group = next(alike, None)
        if group is None:
            group = []
            known.append(group)
            groups.append(group)
        group.append(peer)
    return [tuple(group) for group in groups]


def check_alike(cluster: Cluster) -> None:
    """Raise InputError where peer objects of one address ask for different sessions, and the product would mix them up.

    Those that are all administratively down ask for none.
    """
    product = product_named(cluster.product)
    if product.keeps_apart:
        return
    for first, *others in by_router(cluster.peers, product):
        if first.off and all(peer.off for peer in others):
            continue
        for other in others:
            if fields := product.differences(first, other):
                raise InputError(
                    f"{first.kind}s {first.name} and {other.name} have one address, {first.address}, but differ in "
                    f"{listed(fields, MOST_FIELDS)}: {product.title} keeps sessions by address, so that one undoes the "
                    "other; make them alike, or delete the one that is not needed"
                )


def known_as(
    group: Sequence[Peer],
    routers: Mapping[str, Router],
    by_address: Mapping[str, str],
    taken: Container[str],
    label: str | None,
) -> str | None:
    """The router that the peer objects of one address belong to: by its address, or else by one of their names.

    The same name for another address is another router.
    """
    address = group[0].address
    named = chain.from_iterable(names_of(peer, label) for peer in group)
    names = (*filter(None, [by_address.get(address)]), *named)
    free = (name for name in names if name in routers and name not in taken)
    return next((name for name in free if routers[name].address in (None, address)), None)


def selected_by(peers: Sequence[Peer], product: Product, index: NodeIndex) -> Attached:
    """The nodes that the peer objects of a router let peer, all of them together; and the selector of the one, if any,
    that selects them all."""
    found = [(peer.selector, product.selected(peer, index.select)) for peer in peers]
    nodes = set(chain.from_iterable(names for _, names in found)) if len(found) > 1 else found[0][1]
    whole = next((each for each in found if len(each[1]) == len(nodes)), None)
    return whole or (None, tuple(sorted(nodes)))


def select_nobody(peers: Iterable[Peer], product: Product, index: NodeIndex) -> Iterator[Finding]:
    """The peer objects that select no node of the input."""
    for peer in peers:
        if not product.selected(peer, index.select):
            told = f"{peer.kind} {peer.name} selects none of the nodes: it gives no session"
            yield Finding("peer-selects-nobody", told, f"{peer.kind} {peer.name}")


def sessions_by_peer(cluster: Cluster) -> frozenset[tuple[str, str]]:
    """Today's sessions as (node, peer object), also where peer objects of one address differ."""
    product, index = product_named(cluster.product), NodeIndex(cluster.nodes)
    routers, _ = match_peers({}, cluster, None, [], in_bgp=True)
    held = product.sessions(cluster, [*routers.values()], index.select).items()
    return frozenset((node, routers[name].peer or name) for name, nodes in held for node in nodes)


def names_of(peer: Peer, label: str | None) -> list[str]:
    """Names under which the topology may know a peer object: its own, or the label value that it selects."""
    names = [peer.name]
    if label and peer.selector and list(peer.selector.match_labels) == [label] and not peer.selector.match_expressions:
        names.insert(0, peer.selector.match_labels[label])
    return names

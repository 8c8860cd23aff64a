"""Topology files and BgpPeers -> the cluster's routers, attachments, failure domains and today's sessions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..kube.names import check_label_key, check_label_value
from ..kube.objects import Selector
from ..kube.parse import check_asn, checked, parse_address, read_selector
from ..model import PARKED_ADDRESS, Cluster, LabelSelector, Node, Peer, Router, Survive
from .attachments import check_node_name, check_pairs, check_text, read_attachments
from .fields import FROM_ONE, FROM_ZERO, about
from .node_index import NodeIndex
from .text import check_keys, check_unique, convert, load_settings

WELL_KNOWN_KINDS = {
    "zone": "topology.kubernetes.io/zone",
    "region": "topology.kubernetes.io/region",
    "hostname": "kubernetes.io/hostname",
}
"""Kinds of failure domain that need no declaration, and the node label of each."""


class Setting(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of the topology file."""


class AttachedNodes(Setting, frozen=True):
    """The nodes attached to a router: those that the selector, the names or the address ranges give, together."""

    selector: Annotated[Selector | None, about("A label selector, as Kubernetes has it.")] = None
    names: Annotated[tuple[str, ...], about("Names of nodes.")] = ()
    cidrs: Annotated[tuple[str, ...], about("Ranges of the nodes' internal addresses, such as 10.1.0.0/24.")] = ()


class TopologyRouter(Setting, frozen=True):
    """A router as the file describes it."""

    name: Annotated[str, about("Its name, also for the attachments.", minLength=1)]
    address: Annotated[str | None, about("The IP address of the BGP neighbour.")] = None
    asn: Annotated[int | None, about("Its AS number.", minimum=1, maximum=4_294_967_295)] = None
    max_sessions: Annotated[
        int | None, about("The most sessions that it takes, old and new together during a change.", **FROM_ZERO)
    ] = None
    min_speakers: Annotated[
        int | None, about("Sessions that it keeps where that is more than the policy asks for.", **FROM_ONE)
    ] = None
    domains: Annotated[dict[str, str], about("The failure domain that it is in, by kind.")] = {}
    nodes: Annotated[
        AttachedNodes | None, about("Which nodes are attached to it; where nothing says so, as its BgpPeer selects.")
    ] = None


class FailureDomain(Setting, frozen=True):
    """A kind of failure domain; a node's value is that of the label."""

    kind: Annotated[str, about("What fails as a whole: rack, power, chassis ...", minLength=1)]
    node_label: Annotated[str, about("The node label whose value is the domain.")]


class Topology(Setting, frozen=True):
    """Routers, which nodes are attached to them, and failure domains."""

    routers: Annotated[
        tuple[TopologyRouter, ...], about("Routers; a BgpPeer with the address, or else the name, is the same one.")
    ] = ()
    routers_from_label: Annotated[
        str | None, about("A node label with a router for each value, attached to the nodes that carry it.")
    ] = None
    attachments: Annotated[
        str | tuple[tuple[str, str], ...], about("(node, router) pairs, or the path of a CSV file that holds them.")
    ] = ()
    failure_domains: Annotated[
        tuple[FailureDomain, ...], about("Kinds of failure domains; zone, region and hostname need not be declared.")
    ] = ()


def read_topology(path: str | Path) -> Topology:
    """The topology file, checked, with the CSV file of attachments read in. Raises InputError."""
    path = Path(path)
    topology = parse_topology(load_settings(path), str(path))
    if not isinstance(topology.attachments, str):
        return topology
    pairs = read_attachments(path.parent / topology.attachments)
    return msgspec.structs.replace(topology, attachments=pairs)


def parse_topology(data: object, place: str) -> Topology:
    """A checked topology from plain data; `place` names the file. Raises InputError."""
    check_keys(data, Topology, place)
    topology = convert(data, Topology, place)
    check_unique([router.name for router in topology.routers], f"{place}: routers: the name")
    for index, router in enumerate(topology.routers):
        check_router(router, f"{place}: routers[{index}] ({router.name})")
    addresses = [parse_address(router.address, place) for router in topology.routers if router.address]
    check_unique(addresses, f"{place}: routers: the address")
    check_unique([domain.kind for domain in topology.failure_domains], f"{place}: failureDomains: the kind")
    labels = [(f"failureDomains ({domain.kind}): nodeLabel", domain.node_label) for domain in topology.failure_domains]
    if topology.routers_from_label is not None:
        labels.append(("routersFromLabel", topology.routers_from_label))
    for field, label in labels:
        checked(f"{place}: {field}", partial(check_label_key, label))
    for domain in topology.failure_domains:
        check_text(domain.kind, f"{place}: failureDomains: the kind")
    if not isinstance(topology.attachments, str):
        check_pairs(topology.attachments, lambda index: f"{place}: attachments[{index}]")
    return topology


def check_router(router: TopologyRouter, place: str) -> None:
    """Raise InputError where a router's fields cannot be right."""
    check_text(router.name, f"{place}: name")
    if router.address is not None:
        parse_address(router.address, f"{place}: address")
    if router.asn is not None:
        check_asn(router.asn, f"{place}: asn", least=1)
    for field, number, least in (
        ("maxSessions", router.max_sessions, 0),
        ("minSpeakers", router.min_speakers, 1),
    ):
        if number is not None and not least <= number <= 1_000_000:
            raise InputError(f"{place}: {field} must be from {least} to 1000000, not {number}")
    for kind, value in router.domains.items():
        check_text(kind, f"{place}: domains: the kind")
        check_text(value, f"{place}: domains.{kind}")
    nodes = router.nodes or AttachedNodes()
    read_selector(nodes.selector, f"{place}: nodes.selector")
    for name in nodes.names:
        check_node_name(name, f"{place}: nodes.names")
    for cidr in nodes.cidrs:
        checked(f"{place}: nodes.cidrs", partial(ipaddress.ip_network, cidr))


def with_topology(
    cluster: Cluster, topology: Topology, survive: Sequence[Survive] = (), layer2: bool = False
) -> Cluster:
    """The cluster with routers, attachments, domains and today's sessions; with `layer2` the zones count unasked.

    A BgpPeer and a router of the topology are one when their addresses are equal, or else their names. The
    attached nodes are those that the topology gives; where it gives none, those that the BgpPeer's selector gives.
    Raises InputError, for example for a kind to survive that nothing declares.
    """
    warnings = list(cluster.warnings)
    index = NodeIndex(cluster.nodes)
    described, linked = describe(topology, index, warnings)
    routers, peer_of = match_peers(described, real_peers(cluster), topology.routers_from_label, warnings)
    attachments: dict[str, tuple[str, ...]] = {}
    finished = []
    for name in sorted(routers):
        router, peer = routers[name], peer_of.get(name)
        if name in linked:
            selector, nodes = linked[name]
        elif peer is not None:
            selector, nodes = peer.selector, index.select(peer.selector)
        else:
            selector, nodes = None, ()
            warnings.append(f"router {name}: nothing says which nodes are attached to it")
        attachments[name] = nodes
        finished.append(msgspec.structs.replace(router, selector=selector))
    listed = [router.name for router in finished if router.name not in linked and by_hostname(router.selector)]
    if listed:
        warnings.append(
            f"{len(listed)} BgpPeers, such as that of router {listed[0]}, select nodes by host name, and no topology "
            "says more: only these nodes are taken as attached"
        )
    domains = domain_labels(topology, survive, index, finished)
    if layer2 and not survive and index.carried(WELL_KNOWN_KINDS["zone"]):
        domains.setdefault("zone", WELL_KNOWN_KINDS["zone"])
    return msgspec.structs.replace(
        cluster,
        nodes=with_domains(cluster.nodes, domains),
        routers=tuple(finished),
        attachments=attachments,
        today=msgspec.structs.replace(cluster.today, sessions=today_sessions(cluster, index, finished)),
        warnings=tuple(warnings),
    )


def by_hostname(selector: LabelSelector | None) -> bool:
    """Whether a selector only lists host names, as an export writes it for the speakers of a router."""
    return selector is not None and {
        *selector.match_labels,
        *(each.key for each in selector.match_expressions),
    } == {WELL_KNOWN_KINDS["hostname"]}


def check_speaker_label(topology: Topology, key: str) -> None:
    """Raise InputError where the topology reads the label that marks speakers: an export would change its meaning."""
    selectors = [router.nodes.selector for router in topology.routers if router.nodes and router.nodes.selector]
    read = {domain.node_label for domain in topology.failure_domains} | {topology.routers_from_label}
    for selector in selectors:
        read |= {*(selector.match_labels or {}), *(each.key for each in selector.match_expressions or ())}
    if key in read:
        raise InputError(f"--speaker-label: the topology reads the label {key}, so it cannot mark speakers")


Attached = tuple[LabelSelector | None, tuple[str, ...]]


def describe(
    topology: Topology, index: NodeIndex, warnings: list[str]
) -> tuple[dict[str, Router], dict[str, Attached]]:
    """The topology's routers by name; for those whose nodes it gives: the nodes, and the selector if it is just one."""
    routers = {
        given.name: Router(
            name=given.name,
            address=parse_address(given.address, given.name) if given.address else None,
            asn=given.asn,
            max_sessions=given.max_sessions,
            min_speakers=given.min_speakers,
            domains=given.domains,
        )
        for given in topology.routers
    }
    nodes: dict[str, set[str]] = {}
    selectors: dict[str, list[LabelSelector | None]] = {}
    unknown: set[str] = set()

    def link(router: str, names: Iterable[str], selector: LabelSelector | None) -> None:
        nodes.setdefault(router, set()).update(names)
        selectors.setdefault(router, []).append(selector)

    for given in topology.routers:
        if given.nodes is None:
            continue
        selector = read_selector(given.nodes.selector, given.name)
        if selector is not None:
            link(given.name, index.select(selector), selector)
        if given.nodes.names or given.nodes.cidrs:
            unknown.update(set(given.nodes.names) - index.nodes.keys())
            link(given.name, index.in_ranges(given.nodes.cidrs).union(given.nodes.names) & index.nodes.keys(), None)
    label = topology.routers_from_label
    if label is not None:
        kinds = {domain.kind for domain in topology.failure_domains if domain.node_label == label}
        if not index.values(label):
            raise InputError(f"routersFromLabel: no node carries the label {label}")
        for value, names in index.values(label).items():
            router = routers.get(value) or Router(name=value)
            # The router of a rack stands in that rack.
            routers[value] = msgspec.structs.replace(
                router, domains={**dict.fromkeys(kinds, value), **dict(router.domains)}
            )
            link(value, names, LabelSelector(match_labels={label: value}))
    listed: dict[str, set[str]] = {}
    for node, name in topology.attachments if not isinstance(topology.attachments, str) else ():
        attached = listed.setdefault(name, set())
        if node in index.nodes:
            attached.add(node)
        else:
            unknown.add(node)
    for name, attached in listed.items():
        routers.setdefault(name, Router(name=name))
        link(name, attached, None)
    if unknown:
        warnings.append(f"the topology names {len(unknown)} nodes that are not in the input, such as {min(unknown)}")
    return routers, {
        name: (selectors[name][0] if len(selectors[name]) == 1 else None, tuple(sorted(found)))
        for name, found in nodes.items()
    }


def real_peers(cluster: Cluster) -> list[Peer]:
    """The BgpPeers but for those that an interrupted change has led elsewhere, to nobody's router, to delete them."""
    return [peer for peer in cluster.peers if peer.address != PARKED_ADDRESS]


def match_peers(
    described: Mapping[str, Router], peers: Iterable[Peer], label: str | None, warnings: list[str]
) -> tuple[dict[str, Router], dict[str, Peer]]:
    """Routers joined with their BgpPeers; a BgpPeer that the topology does not describe is a router of its own."""
    routers = dict(described)
    by_address = {router.address: name for name, router in routers.items() if router.address}
    peer_of: dict[str, Peer] = {}
    for peer in peers:
        name = by_address.get(peer.address)
        if name is None:
            name = next((known for known in names_of(peer, label) if known in routers), None)
            if name is not None and routers[name].address not in (None, peer.address):
                name = None  # the same name for another address is another router
        if name is None:
            name = peer.name if peer.name not in routers else f"{peer.name} ({peer.address})"
            routers[name] = Router(name=name)
        if name in peer_of:
            continue  # a second BgpPeer for the address: reported as a hazard
        router = routers[name]
        if router.asn and peer.asn and router.asn != peer.asn:
            warnings.append(f"router {name}: the topology says AS {router.asn}, BgpPeer {peer.name} says AS {peer.asn}")
        routers[name] = msgspec.structs.replace(
            router, address=peer.address, asn=router.asn or peer.asn or None, peer=peer.name
        )
        by_address[peer.address] = name
        peer_of[name] = peer
    nameless = [name for name, router in routers.items() if router.address is None]
    if nameless and any(router.address for router in routers.values()):
        warnings.append(
            f"{len(nameless)} routers have neither an address nor a BgpPeer, such as {min(nameless)}: is it misspelt?"
        )
    return routers, peer_of


def names_of(peer: Peer, label: str | None) -> list[str]:
    """Names under which the topology may know a BgpPeer: its own, or the label value that it selects."""
    names = [peer.name]
    if label and peer.selector and list(peer.selector.match_labels) == [label] and not peer.selector.match_expressions:
        names.insert(0, peer.selector.match_labels[label])
    return names


def domain_labels(
    topology: Topology, survive: Sequence[Survive], index: NodeIndex, routers: Sequence[Router]
) -> dict[str, str]:
    """The node label of every declared kind of failure domain and of those to survive. Raises InputError."""
    labels = {domain.kind: domain.node_label for domain in topology.failure_domains}
    for kind in (entry.kind for entry in survive):
        if kind not in labels and kind not in WELL_KNOWN_KINDS:
            known = ", ".join(sorted({*labels, *WELL_KNOWN_KINDS}))
            raise InputError(f"survive: {kind!r} is no declared kind of failure domain (known are {known})")
        labels.setdefault(kind, WELL_KNOWN_KINDS.get(kind, ""))
        if not index.carried(labels[kind]):
            raise InputError(f"survive: {kind}: no node carries the label {labels[kind]}")
    for router in routers:
        for kind in router.domains:
            if kind not in labels and kind not in WELL_KNOWN_KINDS:
                raise InputError(
                    f"router {router.name}: domains: {kind!r} is not among the failureDomains "
                    f"({', '.join(sorted(labels)) or 'none is declared'})"
                )
    return labels


def with_domains(nodes: tuple[Node, ...], labels: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes with their failure domains by kind; equal ones share them."""
    if not labels:
        return nodes
    known: dict[tuple[str | None, ...], dict[str, str]] = {}
    placed = []
    for node in nodes:
        values = tuple(map(node.labels.get, labels.values()))
        domains = known.get(values)
        if domains is None:
            domains = {kind: value for kind, value in zip(labels, values, strict=True) if value is not None}
            known[values] = domains
            for kind, value in domains.items():
                checked(f"node {node.name}: label {labels[kind]}", partial(check_label_value, value))
        placed.append(msgspec.structs.replace(node, domains=domains) if domains else node)
    return tuple(placed)


def today_sessions(cluster: Cluster, index: NodeIndex, routers: Sequence[Router]) -> dict[str, tuple[str, ...]]:
    """For every router the running speakers that its BgpPeers select, as OpenELB does."""
    running = set(cluster.today.speakers)
    by_address = {router.address: router.name for router in routers if router.peer}
    sessions: dict[str, tuple[str, ...]] = {}
    for peer in real_peers(cluster):
        name = by_address[peer.address]
        selected = index.select(peer.selector)
        speakers = (
            cluster.today.speakers if selected is index.every else tuple(node for node in selected if node in running)
        )
        if name in sessions and sessions[name] != speakers:
            speakers = tuple(sorted({*sessions[name], *speakers}))
        sessions[name] = speakers
    return dict(sorted(sessions.items()))

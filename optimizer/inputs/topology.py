"""Topology files: their format, and what is checked in them before there is a cluster."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..files import path_of
from ..kube.names import check_label_key
from ..kube.objects import Selector
from ..kube.parse import check_asn, checked, ip_network, parse_address, read_selector
from .attachments import check_node_name, check_pairs, check_text, read_attachments
from .fields import FROM_ZERO, about
from .text import check_keys, check_unique, convert, load_settings, made_by_hand


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
        int | None,
        about("Sessions that it keeps where that is more than the policy asks for; 0: it asks for none.", **FROM_ZERO),
    ] = None
    domains: Annotated[dict[str, str], about("The failure domain that it is in, by kind.")] = {}
    nodes: Annotated[
        AttachedNodes | None,
        about("The nodes attached to it; where nothing says so, as its peer object selects."),
    ] = None


class FailureDomain(Setting, frozen=True):
    """A kind of failure domain; a node's value is that of the label."""

    kind: Annotated[str, about("What fails as a whole: rack, power, chassis ...", minLength=1)]
    node_label: Annotated[str, about("The node label whose value is the domain.")]


class Topology(Setting, frozen=True):
    """Routers, which nodes are attached to them, and failure domains."""

    routers: Annotated[
        tuple[TopologyRouter, ...], about("Routers; a peer object with the address, or else the name, is the same one.")
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
    path = path_of(path, "topology")
    return with_pairs(parse_topology(load_settings(path), str(path)), path.parent)


def checked_topology(topology: Topology) -> Topology:
    """A topology made by hand, checked as one from a file is; the path of a CSV file is taken from the current folder.
    Raises InputError."""
    made_by_hand(topology, Topology, "topology")
    return with_pairs(parse_topology(msgspec.to_builtins(topology), "topology"), Path())


def with_pairs(topology: Topology, folder: Path) -> Topology:
    """The topology with the CSV file of attachments, if any, read in. Raises InputError."""
    if not isinstance(topology.attachments, str):
        return topology
    pairs = read_attachments(folder / path_of(topology.attachments, "topology: attachments"))
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
        ("minSpeakers", router.min_speakers, 0),
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
        checked(f"{place}: nodes.cidrs", partial(ip_network, cidr))


def check_speaker_label(topology: Topology, key: str) -> None:
    """Raise InputError where the topology reads the label that marks speakers: an export would change its meaning."""
    selectors = [router.nodes.selector for router in topology.routers if router.nodes and router.nodes.selector]
    read = {domain.node_label for domain in topology.failure_domains} | {topology.routers_from_label}
    for selector in selectors:
        read |= {*(selector.match_labels or {}), *(each.key for each in selector.match_expressions or ())}
    if key in read:
        raise InputError(f"--speaker-label: the topology reads the label {key}, so it cannot mark speakers")

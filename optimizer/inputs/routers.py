"""Topology and peer objects -> the cluster's routers, attachments, failure domains and today's sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..findings import Finding
from ..kube.names import check_label_value
from ..kube.parse import checked, parse_address, read_selector
from ..model import Cluster, LabelSelector, Node, Peer, Policy, Router, Survive
from ..speakers import product_named
from ..words import are, plural
from .node_index import NodeIndex
from .observed import findings, observe
from .topology import Topology

WELL_KNOWN_KINDS = {
    "zone": "topology.kubernetes.io/zone",
    "region": "topology.kubernetes.io/region",
    "hostname": "kubernetes.io/hostname",
}
"""Kinds of failure domain that need no declaration, and the node label of each."""

DEFAULT_POLICY = Policy()


class Places(Struct, frozen=True):
    """Where the policy, its kinds to survive above all, the topology and the placement come from, for sentences."""

    policy: str = "policy"
    topology: str = "topology"
    placement: str = ""


NO_FILES = Places()


def with_topology(
    cluster: Cluster, topology: Topology, policy: Policy = DEFAULT_POLICY, places: Places = NO_FILES
) -> Cluster:
    """The cluster with routers, attachments, domains of the kinds that the policy protects, and today's sessions.

    A peer object and a router of the topology are one when their addresses are equal, or else their names. The
    attached nodes are those that the topology gives; where it gives none, those that the peer object's selector gives.
    Outside mode bgp the zones count unasked. Raises InputError, for example for a kind to survive that nothing
    declares.
    """
    product, survive = product_named(cluster.product), policy.survive
    warnings = list(cluster.warnings)
    index = NodeIndex(cluster.nodes)
    described, linked = describe(topology, index, warnings, places.topology)
    routers, peer_of = match_peers(described, cluster, topology.routers_from_label, warnings)
    attachments: dict[str, tuple[str, ...]] = {}
    finished = []
    for name in sorted(routers):
        router, peer = routers[name], peer_of.get(name)
        if name in linked:
            selector, nodes = linked[name]
        elif peer is not None:
            selector, nodes = peer.selector, product.selected(peer, index.select)
        else:
            selector, nodes = None, ()
            told = f"router {name}: nothing says which nodes are attached to it"
            warnings.append(Finding("router-without-nodes", told, f"router {name}"))
        attachments[name] = nodes
        finished.append(msgspec.structs.replace(router, selector=selector))
    listed = [router.name for router in finished if router.name not in linked and by_hostname(router.selector)]
    if listed:
        told = (
            f"{len(listed)} {product.kinds[0].name}s, such as that of router {listed[0]}, select nodes by host name, "
            "and no topology says more: only these nodes are assumed to be attached"
        )
        warnings.append(Finding("attached-by-host-name", told))
    domains = domain_labels(topology, survive, index, finished, places)
    if policy.mode != "bgp" and not survive and index.carried(WELL_KNOWN_KINDS["zone"]):
        domains.setdefault("zone", WELL_KNOWN_KINDS["zone"])
    today = observe(cluster, finished, product.sessions(cluster, finished, index.select), policy.mode)
    if not product.restrictable:
        # Where an agent runs on every node, those are speakers that have a session.
        speakers = tuple(sorted(set(chain.from_iterable(today.sessions.values()))))
        today = msgspec.structs.replace(today, speakers=speakers)
    return msgspec.structs.replace(
        cluster,
        nodes=with_domains(cluster.nodes, domains),
        routers=tuple(finished),
        attachments=attachments,
        today=today,
        warnings=(*warnings, *findings(today)),
    )


def by_hostname(selector: LabelSelector | None) -> bool:
    """Whether a selector only lists host names, as an export writes it for the speakers of a router."""
    return selector is not None and {
        *selector.match_labels,
        *(each.key for each in selector.match_expressions),
    } == {WELL_KNOWN_KINDS["hostname"]}


Attached = tuple[LabelSelector | None, tuple[str, ...]]


def describe(
    topology: Topology, index: NodeIndex, warnings: list[Finding], place: str
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
            raise InputError(f"{place}: routersFromLabel: no node carries the label {label}")
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
        number = f"{plural(len(unknown), 'node')} that {are(len(unknown))}"
        told = f"the topology names {number} not in the input, such as {min(unknown)}"
        warnings.append(Finding("topology-unknown-node", told, f"Node {min(unknown)}"))
    return routers, {
        name: (selectors[name][0] if len(selectors[name]) == 1 else None, tuple(sorted(found)))
        for name, found in nodes.items()
    }


def match_peers(
    described: Mapping[str, Router], cluster: Cluster, label: str | None, warnings: list[Finding]
) -> tuple[dict[str, Router], dict[str, Peer]]:
    """Routers joined with their peer objects; one that the topology does not describe is a router of its own."""
    kind = product_named(cluster.product).kinds[0].name
    routers = dict(described)
    by_address = {router.address: name for name, router in routers.items() if router.address}
    peer_of: dict[str, Peer] = {}
    for peer in cluster.peers:
        if peer.parked:
            continue
        name = by_address.get(peer.address)
        if name is None:
            name = next((known for known in names_of(peer, label) if known in routers), None)
            if name is not None and routers[name].address not in (None, peer.address):
                name = None  # the same name for another address is another router
        if name is None:
            name = peer.name if peer.name not in routers else f"{peer.name} ({peer.address})"
            routers[name] = Router(name=name)
        if name in peer_of:
            continue  # a second one for the address: reported as a hazard
        router = routers[name]
        if router.asn and peer.asn and router.asn != peer.asn:
            told = f"router {name}: the topology says AS {router.asn}, {kind} {peer.name} says AS {peer.asn}"
            warnings.append(Finding("as-differs", told, f"router {name}"))
        routers[name] = msgspec.structs.replace(
            router, address=peer.address, asn=router.asn or peer.asn or None, peer=peer.name
        )
        by_address[peer.address] = name
        peer_of[name] = peer
    nameless = [name for name, router in routers.items() if router.address is None]
    if nameless and any(router.address for router in routers.values()):
        told = f"{len(nameless)} routers have neither an address nor a {kind}, such as {min(nameless)}: is it misspelt?"
        warnings.append(Finding("router-without-peer", told, f"router {min(nameless)}"))
    return routers, peer_of


def names_of(peer: Peer, label: str | None) -> list[str]:
    """Names under which the topology may know a peer object: its own, or the label value that it selects."""
    names = [peer.name]
    if label and peer.selector and list(peer.selector.match_labels) == [label] and not peer.selector.match_expressions:
        names.insert(0, peer.selector.match_labels[label])
    return names


def domain_labels(
    topology: Topology, survive: Sequence[Survive], index: NodeIndex, routers: Sequence[Router], places: Places
) -> dict[str, str]:
    """The node label of every declared kind of failure domain and of those to survive. Raises InputError."""
    labels = {domain.kind: domain.node_label for domain in topology.failure_domains}
    for kind in (entry.kind for entry in survive):
        if kind not in labels and kind not in WELL_KNOWN_KINDS:
            known = ", ".join(sorted({*labels, *WELL_KNOWN_KINDS}))
            raise InputError(
                f"{places.policy}: survive: {kind!r} is no declared kind of failure domain (known are {known}); "
                "the topology declares kinds under failureDomains"
            )
        labels.setdefault(kind, WELL_KNOWN_KINDS.get(kind, ""))
        if not index.carried(labels[kind]):
            raise InputError(f"{places.policy}: survive: {kind}: no node carries the label {labels[kind]}")
    for router in routers:
        for kind in router.domains:
            if kind not in labels and kind not in WELL_KNOWN_KINDS:
                raise InputError(
                    f"{places.topology}: router {router.name}: domains: {kind!r} is not among the failureDomains "
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

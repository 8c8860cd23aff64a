"""Topology and peer objects -> the cluster's routers, attachments, failure domains and today's sessions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
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
from .peers import Attached, check_alike, match_peers, select_nobody, selected_by
from .speaker_label import peers_by_label
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
    attached nodes are those that the topology gives; where it gives none, those that all the router's peer objects
    select together. Outside mode bgp the zones count unasked. Raises InputError, for example for a kind to survive that
    nothing declares, and in mode bgp for peer objects of one address that ask for different sessions.
    """
    product, survive = product_named(cluster.product), policy.survive
    warnings = list(cluster.warnings)
    index = NodeIndex(cluster.nodes)
    described, linked = describe(topology, index, warnings, places.topology)
    if policy.mode == "bgp":
        check_alike(cluster)
    routers, peers_of = match_peers(described, cluster, topology.routers_from_label, warnings, policy.mode == "bgp")
    attached = linked | {
        name: selected_by(peers, product, index) for name, peers in peers_of.items() if name not in linked
    }
    # Of routers that ask for nothing nothing is said.
    needy = [name for name, router in routers.items() if router.min_speakers != 0]
    warnings += attachment_findings(needy, linked, peers_of, product.kinds[0].name)
    if policy.mode == "bgp":
        warnings += select_nobody(chain.from_iterable(peers_of.get(name, ()) for name in needy), product, index)
    asking = chain.from_iterable(peers for name, peers in peers_of.items() if name not in linked)
    warnings += peers_by_label(cluster, policy, asking, index, product.kinds[0].name)
    finished = [
        msgspec.structs.replace(routers[name], selector=attached[name][0] if name in attached else None)
        for name in sorted(routers)
    ]
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
        attachments={router.name: attached[router.name][1] if router.name in attached else () for router in finished},
        today=today,
        warnings=(*warnings, *findings(today, {router.name for router in finished if router.min_speakers == 0})),
    )


def attachment_findings(
    routers: Iterable[str], linked: Container[str], peers_of: Mapping[str, Sequence[Peer]], kind: str
) -> Iterator[Finding]:
    """The routers of which nothing says which nodes are attached, and those whose peer objects say too little of it."""
    silent = sorted(name for name in routers if name not in linked)
    for name in silent:
        if name not in peers_of:
            told = f"router {name}: nothing says which nodes are attached to it"
            yield Finding("router-without-nodes", told, f"router {name}")
    found = [name for name in silent if name in peers_of and all(by_hostname(each.selector) for each in peers_of[name])]
    if found:
        told = (
            f"{len(found)} {kind}s, such as that of router {found[0]}, select nodes by host name, and no topology says "
            "more: only these nodes are assumed to be attached"
        )
        yield Finding("attached-by-host-name", told)


def by_hostname(selector: LabelSelector | None) -> bool:
    """Whether a selector only lists host names, as an export writes it for the speakers of a router."""
    return selector is not None and {
        *selector.match_labels,
        *(each.key for each in selector.match_expressions),
    } == {WELL_KNOWN_KINDS["hostname"]}


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

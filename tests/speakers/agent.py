"""A made-up product: an agent on every node that announces itself, steered by objects that list nodes.

Each `Neighbor` has an address, an AS number, and the names of the nodes whose agents peer with it.
"""

# ruff: noqa: ARG002
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from optimizer.errors import InputError
from optimizer.findings import Finding
from optimizer.kube.changes import Change, Patch
from optimizer.kube.client import Api
from optimizer.kube.item import Items, by_name
from optimizer.kube.kinds import Kind
from optimizer.kube.objects import Object, Partial
from optimizer.kube.patches import set_field
from optimizer.model import Cluster, LabelSelector, Paths, Peer, Placement, Policy, Resources, Router
from optimizer.speakers.product import Labels, Manifest, Outdated, PeerEdits, PeerReport, Probes, Turns
from optimizer.speakers.signs import Signs

NEIGHBOR = Kind("Neighbor", "agent.example.org", "v1", "neighbors")


class NeighborSpec(Partial):
    address: str
    asn: int
    nodes: list[str]


class NeighborObject(Object):
    spec: NeighborSpec


class Agent:
    name = "agent"
    title = "Agent"
    kinds: tuple[Kind, ...] = (NEIGHBOR,)
    structs: Mapping[str, type[Object]] = {"Neighbor": NeighborObject}
    reported: Mapping[str, type[Struct]] = {}
    signs: Signs = Signs(images=("example/agent",), names=("agent",))
    outdated: Outdated | None = None
    requests = Resources(cpu=50, memory=50 * 2**20)
    restrictable = False
    next_hop: Literal["all", "self"] = "self"
    keeps_apart = True
    report_period = 5.0
    steered = ("/spec/nodes",)
    helm_values = ""
    helm_hazards: Mapping[str, str] = {}

    def read(self, items: Mapping[str, Items], warnings: list[Finding]) -> tuple[tuple[Peer, ...], Mapping[str, Any]]:
        found = [(item, item.load(NeighborObject).spec) for item in by_name(items["Neighbor"])]
        return tuple(Peer(item.name, spec.address, spec.asn, None, item.manifest()) for item, spec in found), {}

    def selected(self, peer: Peer, select: Callable[[LabelSelector | None], tuple[str, ...]]) -> tuple[str, ...]:
        return select(None)

    def differences(self, first: Peer, other: Peer) -> Sequence[str]:
        return () if first.asn == other.asn else ("spec.asn",)

    def sessions(
        self, cluster: Cluster, routers: Sequence[Router], select: Callable[[LabelSelector | None], tuple[str, ...]]
    ) -> Mapping[str, tuple[str, ...]]:
        listed = {peer.name: set(peer.manifest["spec"]["nodes"]) for peer in cluster.peers}
        running = cluster.today.speakers
        held = {each.name: listed[each.peer] for each in routers if each.peer}
        return {name: tuple(node for node in running if node in nodes) for name, nodes in held.items()}

    def announced_with(self, cluster: Cluster) -> Mapping[str, str]:
        return {}

    def edit_peers(self, cluster: Cluster, policy: Policy, placement: Placement, labelled: frozenset[str]) -> PeerEdits:
        wanted = defaultdict[str, set[str]](set)
        for session in placement.sessions:
            wanted[session.router].add(session.node)
        names = {each.name: each.peer for each in cluster.routers if each.peer}
        if lost := sorted(wanted.keys() - names.keys()):
            raise InputError(f"router {lost[0]} has no Neighbor")
        early: list[Change] = []
        late: list[Change] = []
        for router, name in names.items():
            now = sorted(next(peer for peer in cluster.peers if peer.name == name).manifest["spec"]["nodes"])
            both, then = sorted({*now, *wanted[router]}), sorted(wanted[router])
            for changes, old, new in ((early, now, both), (late, both, then)):
                if operations := set_field("/spec/nodes", old, new):
                    changes.append(Patch("Neighbor", "", name, "json", operations))
        return PeerEdits(tuple(early), tuple(late), names)

    def refusals(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[str]:
        return ()

    def hazards(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[Finding]:
        return ()

    def edit_hazards(self, changes: Iterable[Change]) -> Iterable[Finding]:
        return ()

    def disturbance(self, opening: bool) -> str:
        return "sessions open, none closes" if opening else "sessions close"

    def paths(self, cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
        today = cluster.today.sessions
        held = [session.router for session in placement.sessions]
        return tuple(Paths(each.name, len(today.get(each.name, ())), held.count(each.name)) for each in cluster.routers)

    def peerings(
        self, cluster: Cluster, running: Mapping[str, Labels], peers: Sequence[Manifest]
    ) -> Iterator[tuple[str, str]]:
        routers = {router.peer: router.name for router in cluster.routers}
        for peer in peers:
            router = routers.get(peer["metadata"]["name"]) or peer["spec"]["address"]
            yield from ((node, router) for node in peer["spec"]["nodes"] if node in running)

    def duplicates(self, peers: Sequence[Manifest]) -> Iterator[str]:
        return iter(())

    def observed(self, items: Mapping[str, Items]) -> Iterator[PeerReport]:
        return iter(())

    def reports(self, api: Api) -> Iterator[PeerReport]:
        return iter(())

    def turns(self, api: Api, interval: float, tell: Callable[[object], None]) -> Turns:
        raise NotImplementedError

    def removable(self, manifest: Manifest) -> bool:
        return False

    def probes(self) -> Probes:
        return Probes(NEIGHBOR.resource, "", 5, "{.spec.nodes}")

    def probed(self, manifest: Manifest) -> Sequence[Any]:
        return [manifest["spec"]["nodes"]]

"""OpenELB: what is known of it, each subject in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from ...findings import Finding
from ...kube.changes import Change
from ...kube.item import Items
from ...kube.kinds import Kind
from ...kube.objects import Object
from ...model import Cluster, LabelSelector, Paths, Peer, Placement, Policy, Resources, Router
from ..product import Labels, Manifest, Outdated, PeerEdits, PeerReport, Probes, Turns
from ..signs import Signs
from . import differences, hazards, paths, peerings, peers, probes, racks, read, reports, workloads
from .kinds import BGP_CONF, BGP_PEER
from .objects import ConfObject, PeerObject, Reports

if TYPE_CHECKING:
    from ...kube.client import Api


class OpenELB:
    """See `Product` for what each of these is."""

    name = "openelb"
    title = "OpenELB"
    kinds: tuple[Kind, ...] = (BGP_PEER, BGP_CONF)
    structs: Mapping[str, type[Object]] = {BGP_PEER.name: PeerObject, BGP_CONF.name: ConfObject}
    reported: Mapping[str, type[Struct]] = {BGP_PEER.name: Reports}
    signs: Signs = workloads.SPEAKERS
    outdated: Outdated | None = workloads.OUTDATED
    requests = Resources(cpu=100, memory=100 * 2**20)
    restrictable = True
    next_hop: Literal["all", "self"] = "all"
    keeps_apart = False
    report_period: float = probes.STATUS_PERIOD
    steered = ("/spec/nodeSelector",)
    helm_values = "speaker"
    helm_hazards: Mapping[str, str] = hazards.HELM

    def read(self, items: Mapping[str, Items], warnings: list[Finding]) -> tuple[tuple[Peer, ...], Mapping[str, Any]]:
        """See read.py."""
        return read.read(items, warnings)

    def selected(self, peer: Peer, select: Callable[[LabelSelector | None], tuple[str, ...]]) -> tuple[str, ...]:
        """The nodes that its one selector matches."""
        return select(peer.selector)

    def differences(self, first: Peer, other: Peer) -> Sequence[str]:
        """See differences.py."""
        return differences.differences(first, other)

    def sessions(
        self, cluster: Cluster, routers: Sequence[Router], select: Callable[[LabelSelector | None], tuple[str, ...]]
    ) -> Mapping[str, tuple[str, ...]]:
        """See read.py."""
        return read.sessions(cluster, routers, select)

    def announced_with(self, cluster: Cluster) -> Mapping[str, str]:
        """See racks.py."""
        return racks.announced_with(cluster)

    def edit_peers(self, cluster: Cluster, policy: Policy, placement: Placement, labelled: frozenset[str]) -> PeerEdits:
        """See peers.py."""
        return peers.edit_peers(cluster, policy, placement, labelled)

    def refusals(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[str]:
        """None: speakers announce nodes, not themselves, so fewer of them lose no path."""
        return ()

    def hazards(self, cluster: Cluster, policy: Policy, placement: Placement) -> Iterable[Finding]:
        """See hazards.py."""
        return hazards.hazards(cluster, policy, placement)

    def edit_hazards(self, changes: Iterable[Change]) -> Iterable[Finding]:
        """See hazards.py."""
        return hazards.edit_hazards(changes)

    def disturbance(self, opening: bool) -> str:
        """See hazards.py."""
        return hazards.OPENING if opening else hazards.CLOSING

    def paths(self, cluster: Cluster, placement: Placement) -> tuple[Paths, ...]:
        """See paths.py."""
        return paths.paths(cluster, placement)

    def peerings(
        self, cluster: Cluster, running: Mapping[str, Labels], peers: Sequence[Manifest]
    ) -> Iterator[tuple[str, str]]:
        """See peerings.py."""
        return peerings.peerings(cluster, running, peers)

    def duplicates(self, peers: Sequence[Manifest]) -> Iterator[str]:
        """See peerings.py."""
        return peerings.duplicates(peers)

    def observed(self, items: Mapping[str, Items]) -> Iterator[PeerReport]:
        """See reports.py."""
        return reports.observed(items)

    def reports(self, api: Api) -> Iterator[PeerReport]:
        """See reports.py."""
        return reports.read_reports(api)

    def turns(self, api: Api, interval: float, tell: Callable[[object], None]) -> Turns:
        """See turns.py."""
        from . import turns

        return turns.Turns(api, interval, tell)

    def removable(self, manifest: Manifest) -> bool:
        """See peers.py."""
        return peers.removable(manifest)

    def probes(self) -> Probes:
        """See probes.py."""
        return probes.PROBES

    def probed(self, manifest: Manifest) -> Sequence[Any]:
        """See probes.py."""
        return probes.probed(manifest)

"""What speakers of OpenELB report of their sessions, in the status of the BgpPeers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import field

from ...errors import InputError
from ...kube.item import Items, by_name
from ...kube.kinds import Ref
from ...kube.objects import Partial
from ...kube.pods import decode_page
from ..product import PeerReport, SessionReport
from .kinds import BGP_PEER
from .objects import NodeStatus, PeerObject, Reports

if TYPE_CHECKING:
    from ...kube.client import Api


class PeerMeta(Partial):
    """What identifies a BgpPeer."""

    name: str = ""


class PeerConf(Partial):
    """Whether a BgpPeer asks for sessions at all."""

    admin_down: bool | None = None


class PeerSpec(Partial):
    """What a BgpPeer asks for."""

    conf: PeerConf | None = None


class ReportedPeer(Partial):
    """The fields of a BgpPeer that report its sessions."""

    metadata: PeerMeta
    spec: PeerSpec | None = None
    status: Reports | None = None


class PeerPage(Partial):
    """A page of BgpPeers."""

    items: list[ReportedPeer] = field(default_factory=list)


def read_reports(api: Api) -> Iterator[PeerReport]:
    """What is reported of every BgpPeer but those that are administratively down, of which nothing is waited for.

    Raises LiveError.
    """
    for page in api.pages(Ref(BGP_PEER), lambda page: decode_page(page, PeerPage)):
        for peer in page.items:
            if peer.spec and peer.spec.conf and peer.spec.conf.admin_down:
                continue
            found = (peer.status or Reports()).nodes_peer_status or {}
            yield PeerReport(peer.metadata.name, {node: session(report) for node, report in found.items()})


def observed(items: Mapping[str, Items]) -> Iterator[PeerReport]:
    """What the objects of an input report; what says nothing of the state of a session is none, and neither is what
    stands in an object that cannot be read."""
    for item in by_name(items[BGP_PEER.name]):
        try:
            status = item.load(PeerObject).status or Reports()
        except InputError:
            continue
        found = {node: session(report) for node, report in (status.nodes_peer_status or {}).items() if says(report)}
        if found:
            yield PeerReport(item.name, found)


def says(report: NodeStatus) -> bool:
    """Whether a report says in which state the session is."""
    return report.peer_state is not None and bool(report.peer_state.session_state)


def session(report: NodeStatus) -> SessionReport:
    """One speaker's report of its session."""
    since = report.timers_state.uptime if report.timers_state else None
    return SessionReport(is_established(report), since, announces(report))


def is_established(report: NodeStatus) -> bool:
    """Whether a speaker reports that its session is up."""
    return report.peer_state is not None and report.peer_state.session_state == "ESTABLISHED"


def announces(report: NodeStatus) -> bool:
    """Whether a speaker reports that it has sent an UPDATE in its session."""
    sent = report.peer_state.messages.sent if report.peer_state and report.peer_state.messages else None
    return sent is not None and str(sent.update or 0).strip("0") != ""

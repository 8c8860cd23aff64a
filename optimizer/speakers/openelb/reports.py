"""What speakers of OpenELB report of their sessions, in the status of the BgpPeers.

What cannot be read of it, and a state that is none of GoBGP's, is no report: such a session is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw, field

from ...kube.item import Items, by_name
from ...kube.kinds import Ref
from ...kube.objects import NULL, Partial
from ...kube.parse import as_mapping
from ...kube.pods import decode_page
from ..product import PeerReport, SessionReport
from .kinds import BGP_PEER
from .objects import Messages, NodeStatus, PeerState, Reports, TimersState

if TYPE_CHECKING:
    from ...kube.client import Api

T = TypeVar("T")

UP = "ESTABLISHED"
DOWN = frozenset(("IDLE", "CONNECT", "ACTIVE", "OPENSENT", "OPENCONFIRM"))
"""The states of a session, as GoBGP names them (`PeerState.SessionState`); its UNKNOWN says nothing."""


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
    spec: Raw = NULL
    status: Raw = NULL


class PeerPage(Partial):
    """A page of BgpPeers."""

    items: list[ReportedPeer] = field(default_factory=list)


def read_reports(api: Api) -> Iterator[PeerReport]:
    """What is reported of every BgpPeer but those that are administratively down, of which nothing is waited for.

    Raises LiveError.
    """
    for page in api.pages(Ref(BGP_PEER), lambda page: decode_page(page, PeerPage)):
        for peer in page.items:
            spec = lenient(peer.spec, PeerSpec)
            if not (spec and spec.conf and spec.conf.admin_down):
                yield PeerReport(peer.metadata.name, sessions_in(peer.status))


class Status(Partial):
    """A BgpPeer's status, whatever else it asks for."""

    status: Raw = NULL


def observed(items: Mapping[str, Items]) -> Iterator[PeerReport]:
    """What the objects of an input report; what says nothing of the state of a session is none."""
    for item in by_name(items[BGP_PEER.name]):
        if found := sessions_in(item.decode(Status).status):
            yield PeerReport(item.name, found)


def sessions_in(status: Raw) -> dict[str, SessionReport]:
    """The sessions of which the status of a BgpPeer says whether they are up, by node."""
    whole = lenient(status, Reports)
    entries = (whole.nodes_peer_status or {}) if whole else one_by_one(status)
    given = ((node, session(entry)) for node, entry in entries.items() if entry)
    return {node: report for node, report in given if report}


def one_by_one(status: Raw) -> dict[str, NodeStatus]:
    """What can be read of a status in which something is odd."""
    found = as_mapping(as_mapping(lenient(status, Any)).get("nodesPeerStatus"))
    return {str(node): read_entry(as_mapping(entry)) for node, entry in found.items()}


def read_entry(entry: Mapping[str, Any]) -> NodeStatus:
    """What can be read of one speaker's report."""
    state = as_mapping(entry.get("peerState"))
    word = state.get("sessionState")
    said = PeerState(word if isinstance(word, str) else None, converted(state.get("messages"), Messages))
    return NodeStatus(said, converted(entry.get("timersState"), TimersState))


def lenient(content: Raw, type_: type[T]) -> T | None:
    """JSON as `type_`, None where it is something else."""
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def converted(value: object, type_: type[T]) -> T | None:
    """Plain data as `type_`, None where it is something else."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return None


def session(report: NodeStatus) -> SessionReport | None:
    """One speaker's report of its session, None where it does not say in which state that is.

    >>> session(NodeStatus(PeerState("Established"))), session(NodeStatus(PeerState("UNKNOWN")))
    (SessionReport(up=True, since=None, announces=False), None)
    """
    state = (report.peer_state.session_state or "").upper() if report.peer_state else ""
    if state != UP and state not in DOWN:
        return None
    since = report.timers_state.uptime if report.timers_state else None
    return SessionReport(state == UP, since, announces(report))


def announces(report: NodeStatus) -> bool:
    """Whether a speaker reports that it has sent an UPDATE in its session."""
    sent = report.peer_state.messages.sent if report.peer_state and report.peer_state.messages else None
    return sent is not None and str(sent.update or 0).strip("0") != ""

"""The fields of OpenELB's objects that are read; all others are passed over."""

from __future__ import annotations

from msgspec import Raw

from ...kube.objects import NULL, Object, Partial, Selector


class PeerConf(Partial):
    """The neighbour."""

    neighbor_address: str | None = None
    peer_as: int | None = None
    admin_down: bool | None = None


class Family(Partial):
    """What kind of routes, such as AFI_IP and SAFI_UNICAST."""

    afi: str | None = None
    safi: str | None = None


class AfiSafiConfig(Partial):
    """The kind of routes that an entry is about."""

    family: Family | None = None


class AddPathsConfig(Partial):
    """How many paths of a route are sent; GoBGP keeps the last eight bits, and none is one path."""

    send_max: int | None = None


class AddPaths(Partial):
    """Whether several paths of a route are sent."""

    config: AddPathsConfig | None = None


class AfiSafi(Partial):
    """A kind of routes that a session carries; without `config` that of the neighbour's address."""

    config: AfiSafiConfig | None = None
    add_paths: AddPaths | None = None


class PeerSpec(Partial):
    """Which neighbour, the nodes whose speakers peer with it, and what their sessions carry."""

    conf: PeerConf | None = None
    node_selector: Selector | None = None
    afi_safis: list[AfiSafi | None] | None = None


class Counters(Partial):
    """Messages by their kind, as far as they matter here; numbers that the API gives as text."""

    update: str | int | None = None


class Messages(Partial):
    """The messages of a session."""

    sent: Counters | None = None


class PeerState(Partial):
    """The state of one session."""

    session_state: str | None = None
    messages: Messages | None = None


class TimersState(Partial):
    """Since when it is so."""

    uptime: str | None = None


class NodeStatus(Partial):
    """What one speaker reports of its session."""

    peer_state: PeerState | None = None
    timers_state: TimersState | None = None


class Reports(Partial):
    """What all speakers report of their sessions with one router."""

    nodes_peer_status: dict[str, NodeStatus | None] | None = None


class PeerObject(Object):
    """A BgpPeer; an odd report in its status makes what it asks for no less clear."""

    spec: PeerSpec | None = None
    status: Raw = NULL


class ConfSpec(Partial):
    """The AS number of each rack, where next hops are those of a rack."""

    as_per_rack: dict[str, int] | None = None


class ConfObject(Object):
    """A BgpConf."""

    spec: ConfSpec | None = None

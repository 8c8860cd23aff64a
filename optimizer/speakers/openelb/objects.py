"""The fields of OpenELB's objects that are read; all others are passed over."""

from __future__ import annotations

from ...kube.objects import Object, Partial, Selector


class PeerConf(Partial):
    """The neighbour."""

    neighbor_address: str = ""
    peer_as: int = 0


class PeerSpec(Partial):
    """Which neighbour, and the nodes whose speakers peer with it."""

    conf: PeerConf | None = None
    node_selector: Selector | None = None


class PeerObject(Object):
    """A BgpPeer."""

    spec: PeerSpec


class ConfSpec(Partial):
    """The AS number of each rack, where next hops are those of a rack."""

    as_per_rack: dict[str, int] | None = None


class ConfObject(Object):
    """A BgpConf."""

    spec: ConfSpec | None = None

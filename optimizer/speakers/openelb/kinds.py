"""OpenELB's kinds of objects, its rack label, and the address of peer objects that are to go."""

from __future__ import annotations

from ...kube.kinds import Kind

GROUP, VERSION = "network.kubesphere.io", "v1alpha2"

BGP_PEER = Kind("BgpPeer", GROUP, VERSION, "bgppeers", page=20)
"""A neighbour; each may hold a report of every node, so that a page holds few."""

BGP_CONF = Kind("BgpConf", GROUP, VERSION, "bgpconfs")

RACK_LABEL = "openelb.kubesphere.io/rack"
"""OpenELB's rack label; it changes routes only where `BgpConf.spec.asPerRack` is set."""

PARKED_ADDRESS = "192.0.2.1"
"""Where a superfluous BgpPeer is parked before its deletion: kept for documentation by RFC 5737, nobody's router."""

"""OpenELB's kinds of objects."""

from __future__ import annotations

from ...kube.kinds import Kind

GROUP, VERSION = "network.kubesphere.io", "v1alpha2"

BGP_PEER = Kind("BgpPeer", GROUP, VERSION, "bgppeers", page=20)
"""A neighbour; each may hold a report of every node, so that a page holds few."""

BGP_CONF = Kind("BgpConf", GROUP, VERSION, "bgpconfs")

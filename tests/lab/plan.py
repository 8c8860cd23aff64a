"""What a wired cluster is made of: racks, uplinks, addresses, AS numbers, and the Kubernetes objects of all that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import objects
from tests.lab.crds import GROUP, VERSION
from tests.lab.moves import LABEL
from tests.lab.network import Uplink, leaf_address, leaf_name
from tests.lab.objects import RACK, ZONE, daemonset, node
from tests.objects import Object

SPEAKER_AS, LEAF_AS, SPINE_AS = 64512, 65000, 65200
LISTEN_PORT = 17900
RACK_LABEL = "openelb.kubesphere.io/rack"
"""OpenELB's own: with asPerRack it gives a speaker its AS, and its next hops."""

OURS = {"lb.kubesphere.io/v1alpha1": "openelb"}
EIP = "eip.openelb.kubesphere.io/v1alpha2"
SERVICE, POOL = "192.0.2.10", "192.0.2.0/24"


@dataclass(frozen=True)
class Plan:
    """Racks of `size` nodes under a leaf each; `dual`: a rack is under its neighbour's leaf too (1 and 2, 3 and 4).

    `rack_as`: each rack's speakers have an AS of their own, by rack labels and asPerRack. `limits`: the most sessions
    of a leaf, which then waits for the speakers to dial instead of dialling them. `birds`: leaves that are BIRD.
    `chosen`: somebody has chosen already; these nodes have a speaker, for the leaves that they are under.
    """

    leaves: int = 4
    size: int = 10
    dual: bool = False
    rack_as: bool = False
    limits: Mapping[int, int] = field(default_factory=dict)
    birds: frozenset[int] = frozenset()
    chosen: frozenset[str] = frozenset()

    def racks(self) -> range:
        """The numbers of the racks, and of the leaves."""
        return range(1, self.leaves + 1)

    def asn_of(self, rack: int) -> int:
        """The AS of a rack's speakers."""
        return SPEAKER_AS + rack if self.rack_as else SPEAKER_AS

    def leaves_of(self, rack: int) -> list[int]:
        """The leaves that a rack is under, its own first."""
        return [rack, rack - 1 + 2 * (rack % 2)] if self.dual else [rack]

    def uplinks(self) -> dict[str, tuple[Uplink, ...]]:
        """The nodes r1-n1, r1-n2 ... with their links, that to the own leaf first."""
        return {
            f"r{rack}-n{number}": tuple(
                Uplink(leaf, f"10.{leaf}.0.{10 + number + 100 * (rack % 2)}") for leaf in self.leaves_of(rack)
            )
            for rack in self.racks()
            for number in range(1, self.size + 1)
        }

    def speakers(self) -> frozenset[str]:
        """The nodes with a speaker at the start."""
        return self.chosen or frozenset(self.uplinks())

    def sessions(self) -> dict[str, frozenset[str]]:
        """The sessions at the start, by the leaf's address."""
        return {
            leaf_address(leaf): frozenset(
                name
                for name, links in self.uplinks().items()
                if not self.chosen or (name in self.chosen and leaf in {each.leaf for each in links})
            )
            for leaf in self.racks()
        }

    def address_at(self, links: Sequence[Uplink], leaf: int) -> str:
        """The address by which a leaf knows a node: that of the link to it, else that of the first one."""
        return next((each.address for each in links if each.leaf == leaf), links[0].address)

    def objects(self) -> list[Object]:
        """Nodes, a speaker on each or on the chosen ones, a BgpPeer for each leaf, and a service.

        Unless somebody has chosen, all speakers follow all BgpPeers.
        """
        made = []
        for name, links in self.uplinks().items():
            rack = rack_of(name)
            labels = {f"example.com/{leaf_name(leaf)}": "yes" for leaf in self.leaves_of(rack)}
            if self.rack_as:
                labels[RACK_LABEL] = f"r{rack}"
            if name in self.chosen:
                labels[LABEL] = "true"
            # Every second node of a rack is on the other power feed.
            zone = f"z{1 + int(name.partition('-n')[2]) % 2}"
            made.append(node(name, f"r{rack}", zone, links[0].address, labels))
        per_rack = {f"r{rack}": self.asn_of(rack) for rack in self.racks()}
        conf = objects.conf(listenPort=LISTEN_PORT)
        conf["spec"]["as"] = SPEAKER_AS
        if self.rack_as:
            conf["spec"]["asPerRack"] = per_rack
        peers = [self.peer(leaf, under(leaf) if self.chosen else None) for leaf in self.racks()]
        return [*made, daemonset({LABEL: "true"} if self.chosen else None), conf, *peers, *service()]

    def peer(self, leaf: int, selector: Object | None = None) -> Object:
        """A leaf's BgpPeer."""
        made = objects.peer(leaf_name(leaf), leaf_address(leaf), selector, LEAF_AS + leaf)
        made["spec"]["ebgpMultihop"] = {"enabled": True, "multihopTtl": 8}
        return made

    def topology(self, folder: Path, own: bool = False) -> Path:
        """The topology file: which nodes are under which leaf, and what fails as a whole; `own`: only one's own leaf is
        to be peered with, though there is another."""
        routers = [
            {
                "name": leaf_name(leaf),
                "address": leaf_address(leaf),
                "nodes": {"selector": {"matchLabels": {RACK: f"r{leaf}"}} if own else under(leaf)},
                **({"maxSessions": self.limits[leaf]} if leaf in self.limits else {}),
            }
            for leaf in self.racks()
        ]
        domains = [{"kind": "rack", "nodeLabel": RACK}, {"kind": "zone", "nodeLabel": ZONE}]
        path = folder / ("single.json" if own else "topology.json")
        path.write_text(json.dumps({"routers": routers, "failureDomains": domains}))
        return path


def under(leaf: int) -> Object:
    """What selects the nodes under a leaf."""
    return {"matchLabels": {f"example.com/{leaf_name(leaf)}": "yes"}}


def rack_of(name: str) -> int:
    """The number of a node's rack."""
    return int(name[1:].partition("-")[0])


def service() -> list[Object]:
    """A LoadBalancer Service with an address of an Eip, as OpenELB's controller leaves them, and its Endpoints."""
    name = {"name": "web", "namespace": "default"}
    return [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Eip",
            "metadata": {"name": "pool"},
            "spec": {"address": POOL, "protocol": "bgp"},
            "status": {"used": {SERVICE: "default/web"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**name, "annotations": {**OURS, EIP: "pool"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": "Cluster"},
            "status": {"loadBalancer": {"ingress": [{"ip": SERVICE}]}},
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": name,
            "subsets": [{"addresses": [{"ip": "10.244.0.1"}], "ports": [{"port": 80}]}],
        },
    ]

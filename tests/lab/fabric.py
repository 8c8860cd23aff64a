"""A cluster whose speakers and routers are real processes in a leaf-spine network, under the laboratory's API server.

To whoever moves the cluster it looks like the stand-in of `speakers.py`: `sessions`, `running` and `history`, but these
are read from the routers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.lab.client import kubeconfig
from tests.lab.cluster import ADMIN, Lab
from tests.lab.history import History
from tests.lab.kubelet import Kubelets
from tests.lab.network import SPINE, SPINE_ADDRESS, Network, leaf_address, leaf_name
from tests.lab.plan import LEAF_AS, LISTEN_PORT, SERVICE, SPINE_AS, Plan, rack_of
from tests.lab.probe import Probe, Sample
from tests.lab.processes import Processes
from tests.lab.relay import Relay
from tests.lab.routers import Bird, Frr, Neighbor, Router, Settings

API_PORT = 6443
WRITERS = 10
"""Speakers that write the state of their sessions in one second, of each of which OpenELB's take 30. They write whole
objects with the state of all speakers, which are sent to all speakers; keepalives are not counted, and so not written,
since that would be all that happens here."""


class Fabric:
    """The processes of a plan: one router a leaf, the spine, and a speaker for each of the DaemonSet's pods."""

    def __init__(self, lab: Lab, folder: Path, plan: Plan) -> None:
        self.plan = plan
        self._uplinks = plan.uplinks()
        self._nodes = {each.address: name for name, links in self._uplinks.items() for each in links}
        self.network = Network(plan.leaves, self._uplinks)
        self.history = History()
        self._routers, self._speakers = Processes(folder), Processes(folder)
        # By address, as BgpPeers have it.
        self.leaves: dict[str, Router] = {}
        for leaf in plan.racks():
            make = Bird if leaf in plan.birds else Frr
            inside = self.network.namespace(leaf_name(leaf))
            self.leaves[leaf_address(leaf)] = make(self._leaf(leaf), self._routers, folder, inside)
        self.spine = Frr(self._spine(), self._routers, folder, self.network.namespace(SPINE))
        self.probes: dict[str, Probe] = {}
        server = urlsplit(lab.server)
        login = kubeconfig(
            folder / "speakers.kubeconfig",
            f"https://127.0.0.1:{API_PORT}",
            lab.authority(),
            lab.token_of(ADMIN),
            server.hostname or "",
        )
        speaker: list[str | Path] = [lab.programs["speaker"], "--kubeconfig", login]
        # Seconds from status to status.
        self.period = max(1.0, len(plan.speakers()) / WRITERS)
        speaker += ["--status-period", f"{self.period}s", "--keepalives=false"]
        self.kubelets = Kubelets(lab.client, self._speakers, self._inside, speaker)
        self._api = server.hostname or "", server.port or 0

    def _inside(self, node: str) -> Sequence[str]:
        return ("ip", "netns", "exec", self.network.namespace(node))

    def _leaf(self, leaf: int) -> Settings:
        plan, limit = self.plan, self.plan.limits.get(leaf)
        speakers = {plan.address_at(links, leaf): plan.asn_of(rack_of(name)) for name, links in self._uplinks.items()}
        spine = Neighbor(SPINE_ADDRESS, SPINE_AS)
        told = () if limit else (Neighbor(address, asn, LISTEN_PORT) for address, asn in speakers.items())
        return Settings(
            leaf_name(leaf),
            LEAF_AS + leaf,
            leaf_address(leaf),
            neighbors=(spine, *told),
            ranges=tuple((f"{address}/32", asn) for address, asn in speakers.items()) if limit else (),
            limit=limit,
            listen="0.0.0.0",
        )

    def _spine(self) -> Settings:
        leaves = (Neighbor(leaf_address(leaf), LEAF_AS + leaf, passive=True) for leaf in self.plan.racks())
        return Settings(SPINE, SPINE_AS, SPINE_ADDRESS, neighbors=tuple(leaves), listen="0.0.0.0")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Build and run everything, and end it."""
        with ExitStack() as stack:
            stack.callback(self._routers.close)
            stack.callback(self._speakers.close)
            stack.callback(self.network.close)
            self.network.build()
            for router in (self.spine, *self.leaves.values()):
                router.start()
            sockets = [stack.enter_context(self.network.listen(node, API_PORT)) for node in self._uplinks]
            relay = Relay(sockets, *self._api)
            relay.start()
            stack.callback(relay.stop)
            self.kubelets.start()
            stack.callback(self.kubelets.stop)
            for router in (self.spine, *self.leaves.values()):
                probe = Probe(router, self._nodes.get, self.history, leaf=router is not self.spine)
                self.probes[router.settings.name] = probe
                probe.start()
                stack.callback(probe.stop)
            yield

    # What is seen on the routers

    def sessions(self) -> dict[str, frozenset[str]]:
        """The nodes with an Established session now, by the leaf's address; leaves without any are left out."""
        found = {
            address: frozenset(filter(None, map(self._nodes.get, router.established())))
            for address, router in self.leaves.items()
        }
        return {address: nodes for address, nodes in found.items() if nodes}

    def running(self) -> frozenset[str]:
        """The nodes whose speaker is ready."""
        return self.kubelets.running()

    def hops(self) -> dict[str, frozenset[str]]:
        """The next hops to the service that each leaf has, whoever told it."""
        return {
            address: frozenset(hop for _, hop in router.paths(f"{SERVICE}/32"))
            for address, router in self.leaves.items()
        }

    def paths(self, address: str) -> frozenset[tuple[str, str]]:
        """The paths to the service that a leaf has from speakers: (node that told it, next hop)."""
        found = self.leaves[address].paths(f"{SERVICE}/32")
        return frozenset((self._nodes[told], hop) for told, hop in found if told in self._nodes)

    def samples(self, since: float) -> Mapping[str, list[Sample]]:
        """What the probes have seen from a moment on, by the router's name."""
        return {
            name: [each for each in list(probe.samples) if each.time >= since] for name, probe in self.probes.items()
        }

    # What breaks

    def power_off(self, nodes: Iterable[str]) -> None:
        """These nodes are gone, at one moment, and nobody tells anybody."""
        nodes = list(nodes)
        for node in nodes:
            self.network.cut(node)
        for node in nodes:
            self.kubelets.power_off(node)


@contextmanager
def fabric(lab: Lab, plan: Plan) -> Iterator[Fabric]:
    """The processes of a plan at work, under a cluster that has its objects already."""
    folder = Path(tempfile.mkdtemp(prefix="bgplab-"))
    try:
        made = Fabric(lab, folder, plan)
        with made.at_work():
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Moves of a cluster whose speakers and routers are real processes, and what has to be true on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.client import Client
from tests.lab.cluster import Lab
from tests.lab.fabric import Fabric, fabric
from tests.lab.kubelet import MANY
from tests.lab.moves import Move
from tests.lab.plan import SERVICE, Plan
from tests.lab.proxy import Proxy

LOOKS = 10
"""Looks at a router without which nothing is said about a move."""

WEB = "/api/v1/namespaces/default/services/web"


class Wired(Move):
    """A cluster of real speakers under real routers."""

    works: Fabric
    # Forty speakers start on a few cores.
    pace = ("--interval", "0.1", "--timeout", "120")

    def __init__(self, lab: Lab, works: Fabric, proxy: Proxy, folder: Path) -> None:
        super().__init__(lab, works, proxy, folder)
        # A speaker that writes at the same moment as another one has to try again a period later.
        self.period = 2.5 * works.period
        self.plan_of, self.began = works.plan, time.monotonic()
        self.topology = works.plan.topology(folder)

    def settle(self, sessions: Mapping[str, Iterable[str]]) -> None:
        """Wait until these are the sessions on the routers, and everybody says so; a move is to begin.

        The service is touched, since a speaker that began anew has forgotten what it announced.
        """
        super().settle(sessions)
        self.lab.client.patch(WEB, {"metadata": {"annotations": {"example.com/settled": str(time.monotonic())}}})
        self.lab.eventually("the service is announced by all", lambda: self._is_known(sessions))
        self.began = time.monotonic()

    def _is_known(self, sessions: Mapping[str, Iterable[str]]) -> bool:
        hops = self.next_hops()
        return bool(self.works.spine.paths(f"{SERVICE}/32")) and all(
            self.works.paths(address) == {(node, hop) for node in nodes for hop in hops[node]}
            for address, nodes in sessions.items()
        )

    def never_dark(self) -> None:
        """Since the move began, no look at any router, the spine too, found it without a path to the service."""
        self.lab.eventually(
            "there are looks enough to say so",
            lambda: all(len(samples) > LOOKS for samples in self.works.samples(self.began).values()),
        )
        for name, samples in self.works.samples(self.began).items():
            assert [each for each in samples if not each.paths] == [], name

    def rest(self) -> None:
        """Let whatever is still to happen after a change happen."""
        time.sleep(self.period)

    def as_predicted(self) -> None:
        """The sessions on the routers are exactly the placement's, now and after a rest, and so are the paths."""
        self.arrived()
        self.rest()
        expected, hops = self.wanted(), self.next_hops()
        assert self.works.sessions() == expected
        for address, nodes in expected.items():
            told = self.works.paths(address)
            assert told == {(node, hop) for node in nodes for hop in hops[node]}, address
        self.kept()
        self.never_dark()

    def next_hops(self) -> Mapping[str, frozenset[str]]:
        """The next hops that a speaker announces, by node: every node's, or with asPerRack those of its rack."""
        links = self.plan_of.uplinks()
        first = {name: uplinks[0] for name, uplinks in links.items()}
        return {
            name: frozenset(
                each.address for each in first.values() if not self.plan_of.rack_as or each.leaf == mine.leaf
            )
            for name, mine in first.items()
        }


@contextmanager
def wired(lab: Lab, folder: Path, plan: Plan) -> Iterator[Wired]:
    """A cluster as a plan has it, once all of its sessions are up."""
    lab.kubelets(speakers=False)
    create(lab.client, plan)
    with fabric(lab, plan) as works, Proxy(lab, folder) as proxy:
        made = Wired(lab, works, proxy, folder)
        made.settle(plan.sessions())
        works.kubelets.at_once = MANY
        yield made


def create(client: Client, plan: Plan) -> None:
    """Make a plan's objects, and what their controllers would have written into their status."""
    made = plan.objects()
    client.create_all(made)
    for each in made:
        if each["kind"] in ("Eip", "Service"):
            client.patch(f"{client.path(each)}/status", {"status": each["status"]})

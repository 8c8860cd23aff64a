"""What a router is given: sessions, next hops and routes, announced by light speakers or by real ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from msgspec import Struct

from benchmarks.routers.bgp_messages import announcements, withdrawals
from benchmarks.routers.bgp_speaker import Session, Speaker, chunks
from tests.lab.gobgp import PORT, GoBgp, Peer
from tests.lab.processes import Processes
from tests.lab.routers import Settings

Series = Literal["all", "two", "one"]
SERIES: dict[Series, str] = {
    "all": "every node peers and announces every node as a next hop",
    "two": "two nodes peer and announce every node as a next hop",
    "one": "every node peers and announces itself alone",
}
"""The first is OpenELB without racks on a DaemonSet of all nodes, the second is what an optimized one leaves."""

SPEAKERS_AS, ROUTER_AS = 65001, 65000
GOBGP_DIALS_OVER = 5.0
"""Seconds: five to ten after its start, a gobgpd dials for the first time."""

PATIENCE = 60.0


class Case(Struct, frozen=True):
    """A cluster of so many nodes under one router, with so many services, a route each."""

    router: str
    series: Series
    nodes: int
    routes: int
    speakers: Literal["light", "gobgpd"] = "light"
    over: float = 0.0
    """Seconds over which the sessions are opened: a router that gets all at once can take paths of many together."""

    @property
    def sessions(self) -> int:
        """Speakers, with a session each."""
        return min(2, self.nodes) if self.series == "two" else self.nodes

    @property
    def hops(self) -> int:
        """Next hops that each speaker announces for each route."""
        return 1 if self.series == "one" else self.nodes

    @property
    def paths(self) -> int:
        """Paths that the router has to hold."""
        return self.sessions * self.hops * self.routes


class Addresses(Struct, frozen=True):
    """A loopback network of 127.x.0.0/16 with a router and its speakers, and where they say that packets go.

    >>> Addresses(64).speaker(250), Addresses(64).hop(1), Addresses(64).route(0)
    ('127.64.2.1', '10.1.1.2', '10.9.0.1/32')
    """

    network: int

    @property
    def router(self) -> str:
        """The router's address."""
        return f"127.{self.network}.0.1"

    @property
    def feeder(self) -> str:
        """The address from which real speakers are told what to announce."""
        return f"127.{self.network}.254.1"

    @property
    def range(self) -> str:
        """All of them."""
        return f"127.{self.network}.0.0/16"

    def speaker(self, index: int) -> str:
        """The address of a node's speaker."""
        return f"127.{self.network}.{1 + index // 250}.{1 + index % 250}"

    def hop(self, index: int) -> str:
        """The node's address as a next hop."""
        return f"10.1.{1 + index // 250}.{1 + index % 250}"

    def route(self, index: int) -> str:
        """A service's address."""
        return f"10.9.{index // 250}.{1 + index % 250}/32"


class Load:
    """A case's speakers: a context. Each call that sends raises TimeoutError where the router takes nothing."""

    def __init__(self, case: Case, addresses: Addresses, router: Settings, processes: Processes, folder: Path) -> None:
        self.case = case
        self.addresses = addresses
        self.routes = [addresses.route(index) for index in range(case.routes)]
        self._as_path: Sequence[int] = [SPEAKERS_AS] if case.speakers == "light" else []
        self._hops = [addresses.hop(index) for index in range(case.hops)]
        self._real: list[GoBgp] = []
        own = [addresses.speaker(index) for index in range(case.sessions)]
        told = self._announced(self.routes)
        if case.speakers == "light":
            sessions = [
                Session(address, router.address, router.port, part) for address, part in zip(own, told, strict=True)
            ]
        else:
            # Debian's gobgpd takes many paths quickly in one way only: from a neighbour within its AS.
            peers = [
                Peer(router.address, router.asn, router.port),
                Peer(addresses.feeder, SPEAKERS_AS, passive=True, feeds=True),
            ]
            self._real = [GoBgp(address, SPEAKERS_AS, peers, processes, folder) for address in own]
            sessions = [Session(addresses.feeder, address, PORT, part) for address, part in zip(own, told, strict=True)]
        over = case.over if case.speakers == "light" else 0.0
        self._speaker = Speaker(SPEAKERS_AS, sessions, over=over)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._speaker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self) -> None:
        """Begin: every speaker announces all as soon as its session is up."""
        for speaker in self._real:
            speaker.start()
        self._speaker.open()

    def sent(self) -> bool:
        """Whether all has been written: to the router by light speakers, to real ones else."""
        return self._speaker.announced == self.case.sessions

    @property
    def lost(self) -> int:
        """Sessions that the router closed; of light speakers only."""
        return 0 if self._real else self._speaker.lost

    def withdraw(self, route: str) -> None:
        """Every speaker withdraws a route."""
        self._speaker.send(chunks(withdrawals([route], self.case.hops)), PATIENCE)

    def announce(self, route: str) -> None:
        """Every speaker announces a route."""
        self._speaker.send_each(self._announced([route]), PATIENCE)

    def die(self, index: int) -> None:
        """A speaker dies."""
        if self._real:
            self._real[index].kill()
        else:
            self._speaker.die(index)

    def _announced(self, routes: Sequence[str]) -> list[list[bytes]]:
        """What each speaker announces; one copy of it where all announce the same."""
        if self.case.series != "one":
            return [chunks(announcements(routes, self._hops, self._as_path))] * self.case.sessions
        own = (self.addresses.hop(index) for index in range(self.case.sessions))
        return [chunks(announcements(routes, [hop], self._as_path)) for hop in own]

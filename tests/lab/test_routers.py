"""What the laboratory says of real routers is what their own tools say, against real speakers."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.routers.bgp_messages import announcements
from benchmarks.routers.bgp_speaker import Session, Speaker, chunks
from tests.lab.cluster import eventually
from tests.lab.gobgp import PORT, GoBgp, Peer
from tests.lab.processes import LabError, Processes
from tests.lab.routers import Bird, Frr, Neighbor, Router, Settings, missing

MISSING = missing()
pytestmark = [
    pytest.mark.routers,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian: frr, bird2, gobgpd)"),
]

KINDS: tuple[type[Router], ...] = (Frr, Bird)
LEAF, SPEAKERS, SPINE = 65000, 65001, 65002
HOPS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
SERVICE = "10.9.0.1/32"
DIALLED = 1790


class Bench:
    """A network of loopback addresses, and what runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = Processes(folder)
        self.network = f"127.{1 + secrets.randbelow(253)}.{secrets.randbelow(256)}"

        self.ranges = ((f"{self.network}.0/24", SPEAKERS),)

    def address(self, last: int) -> str:
        return f"{self.network}.{last}"

    def settings(self, name: str = "leaf", last: int = 1, **more: object) -> Settings:
        return Settings(name, LEAF, self.address(last), DIALLED, **more)  # type: ignore[arg-type]

    def router(self, kind: type[Router], settings: Settings) -> Router:
        router = kind(settings, self.processes, self.folder)
        router.start()
        return router

    def speaker(self, last: int, router: Router) -> GoBgp:
        """One that waits for the router, since gobgpd takes seconds to dial."""
        peer = Peer(router.settings.address, router.settings.asn, router.settings.port, passive=True)
        speaker = GoBgp(self.address(last), SPEAKERS, [peer], self.processes, self.folder)
        speaker.start()
        return speaker


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        bench.processes.close()


def becomes(look: Callable[[], object], wanted: object) -> None:
    """Wait until something is seen, and say what is seen instead."""
    try:
        eventually("as wanted", lambda: look() == wanted, 20)
    except LabError as error:
        raise AssertionError(f"{look()} instead of {wanted}") from error


def dialling(bench: Bench, kind: type[Router]) -> tuple[Router, list[GoBgp]]:
    """A router that dials two speakers."""
    told = tuple(Neighbor(bench.address(last), SPEAKERS, PORT) for last in (11, 12))
    router = bench.router(kind, bench.settings(neighbors=told))
    return router, [bench.speaker(last, router) for last in (11, 12)]


def told_by_tool(router: Router, prefix: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Sessions and paths as the router's own command prints them."""
    if isinstance(router, Frr):
        tool = ["vtysh", "--vty_socket", str(router.sockets), "-c"]
        summary, paths = (run([*tool, f"show bgp ipv4 unicast {what}"]) for what in ("summary", prefix))
        rows = re.findall(r"^(127\S+) +4 .* (\d+|[A-Z]\S*) +\d+ \S+$", summary, re.MULTILINE)
        up = frozenset(address for address, state in rows if state.isdecimal())
        return up, frozenset((peer, hop) for hop, peer in re.findall(r"^    (10\.\S+) .*from (127\S+) ", paths, re.M))
    tool = ["birdc", "-s", str(router.sockets / "bird.ctl"), "show"]
    names = re.findall(r"^(\S+) +BGP .*Established", run([*tool, "protocols"]), re.MULTILINE)
    shown = {name: run([*tool, "protocols", "all", name]) for name in names}
    addresses = {name: re.findall(r"Neighbor address: (\S+)", text)[0] for name, text in shown.items()}
    held = {
        (addresses[name], hop)
        for name in names
        for hop in re.findall(r"next_hop: (\S+)", run([*tool, "route", prefix, "protocol", name, "all"]))
    }
    return frozenset(addresses.values()), frozenset(held)


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_and_paths_are_those_of_the_speakers(bench: Bench, kind: type[Router]) -> None:
    router, (first, second) = dialling(bench, kind)
    first.announce(SERVICE, HOPS)
    second.announce(SERVICE, HOPS[:1])
    second.announce("10.9.0.2/32", HOPS[1:])
    becomes(router.established, {first.address, second.address})
    becomes(lambda: router.paths(SERVICE), {*((first.address, hop) for hop in HOPS), (second.address, HOPS[0])})
    becomes(lambda: router.paths("10.9.0.2/32"), {(second.address, hop) for hop in HOPS[1:]})
    becomes(router.total_paths, 6)
    assert router.paths("10.9.0.3/32") == frozenset()
    assert told_by_tool(router, SERVICE) == (router.established(), router.paths(SERVICE))

    first.kill()
    becomes(router.established, {second.address})
    becomes(lambda: router.paths(SERVICE), {(second.address, HOPS[0])})
    becomes(router.total_paths, 3)
    assert told_by_tool(router, SERVICE) == (router.established(), router.paths(SERVICE))
    assert router.cpu() > 0
    assert router.memory() > 1 << 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_spine_hears_of_the_leafs_routes_from_the_leaf(bench: Bench, kind: type[Router]) -> None:
    told = (Neighbor(bench.address(11), SPEAKERS, PORT), Neighbor(bench.address(2), SPINE, DIALLED))
    leaf = bench.router(kind, bench.settings(neighbors=told))
    waits = (Neighbor(leaf.settings.address, LEAF, DIALLED, passive=True),)
    spine = bench.router(kind, Settings("spine", SPINE, bench.address(2), DIALLED, waits))
    speaker = bench.speaker(11, leaf)
    speaker.announce(SERVICE, HOPS)
    becomes(spine.established, {leaf.settings.address})
    becomes(lambda: {address for address, _ in spine.paths(SERVICE)}, {leaf.settings.address})
    assert spine.total_paths() == 1
    speaker.kill()
    becomes(lambda: spine.paths(SERVICE), frozenset())


def light(router: Router, addresses: list[str]) -> Speaker:
    """Light speakers: they dial at once and again, where gobgpd waits for seconds."""
    told = chunks(announcements([SERVICE], HOPS, [SPEAKERS]))
    mine = router.settings
    return Speaker(SPEAKERS, [Session(address, mine.address, mine.port, told) for address in addresses])


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_comes_back_after_a_power_cut(bench: Bench, kind: type[Router]) -> None:
    addresses = [bench.address(last) for last in (11, 12)]
    router = bench.router(kind, bench.settings(ranges=bench.ranges))
    with light(router, addresses) as speakers:
        speakers.open()
        becomes(router.total_paths, 6)
        before = router.pid
        router.kill()
        with pytest.raises(LabError):
            router.established()
        router.start()
        assert router.pid != before
        becomes(router.established, set(addresses))
        becomes(router.total_paths, 6)
        assert router.paths(SERVICE) == {(address, hop) for address in addresses for hop in HOPS}


def test_the_next_speaker_gets_in_where_one_at_the_limit_of_frr_goes(bench: Bench) -> None:
    router = bench.router(Frr, bench.settings(ranges=bench.ranges, limit=2))
    addresses = [bench.address(last) for last in (11, 12, 13)]
    with light(router, addresses) as speakers:
        speakers.open()
        becomes(lambda: len(router.established()), 2)
        becomes(router.total_paths, 6)
        (first, second), (waits,) = sorted(router.established()), set(addresses) - router.established()
        speakers.die(addresses.index(first))
        becomes(router.established, {second, waits})
        becomes(lambda: {address for address, _ in router.paths(SERVICE)}, {second, waits})


def test_bird_has_no_limit(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no limit"):
        Bird(bench.settings(limit=2), bench.processes, bench.folder)


def test_a_question_that_a_router_does_not_know_is_an_error(bench: Bench) -> None:
    for kind in KINDS:
        router = bench.router(kind, bench.settings(kind.__name__))
        with pytest.raises(LabError):
            router.paths("nonsense")
        assert router.established() == frozenset()
        router.kill()

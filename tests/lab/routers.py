"""Real routers, FRR's bgpd and BIRD: each a process, in a network namespace or on a loopback address of its own."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.processes import LabError, Processes
from tests.lab.router_sockets import BirdControl, RouterSocket, Vty

BGPD = "/usr/lib/frr/bgpd"
"""Debian keeps FRR's daemons out of the path."""

NEEDED = ("vtysh", "bird", "birdc", "gobgpd", "gobgp", "ip", BGPD)
"""The programs of real routers and speakers."""

LONGEST_SOCKET = 107
"""Bytes of a unix socket's path."""

LOOPBACK_HOP = "198.18."
"""Where FRR runs on loopback, what it passes on has a next hop of this network (RFC 2544)."""

START_UP = 15.0


def missing() -> list[str]:
    """Those of the programs that are not installed."""
    return [program for program in NEEDED if shutil.which(program) is None]


class Neighbor(NamedTuple):
    """A speaker or router that the router is told of."""

    address: str
    asn: int
    port: int = 179
    """Where the router dials it."""
    passive: bool = False
    """The router waits for it instead."""


@dataclass(frozen=True)
class Settings:
    """What a router is told, whichever its make."""

    name: str
    asn: int
    address: str
    """Its own: it listens there, dials from there, and has it as its router id."""
    port: int = 179
    neighbors: tuple[Neighbor, ...] = ()
    ranges: tuple[tuple[str, int], ...] = ()
    """Prefix and AS: sessions that come from there are accepted."""
    limit: int | None = None
    """The most sessions of all ranges; as many as the router can have where it is None."""
    timers: tuple[int, int] = (3, 9)
    """Seconds from keepalive to keepalive, and of the hold time."""
    listen: str = ""
    """Where it listens, if not at its address: `0.0.0.0` for one that has several."""


class Router(ABC):
    """One router, started and asked. Each raises LabError where the router is away or answers nothing."""

    def __init__(self, settings: Settings, processes: Processes, folder: Path, namespace: str = "") -> None:
        self.settings = settings
        self.folder = folder
        self.namespace = namespace
        self._processes = processes
        self.sockets = self._short(folder / f"{settings.name}.sockets")
        self._socket = self._connection()

    def _short(self, wanted: Path) -> Path:
        """A folder for sockets, elsewhere where the path is too long for one."""
        if len(f"{wanted}/bgpd.vty.123456") <= LONGEST_SOCKET:
            wanted.mkdir(parents=True, exist_ok=True)
            return wanted
        made = tempfile.mkdtemp(prefix="router-")
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    def start(self) -> None:
        """Start the router, and wait until it answers."""
        config = self.folder / f"{self.settings.name}.conf"
        config.write_text(self.config())
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        # `ip` becomes the command, so that the process is the router's own.
        self._processes.start(self.settings.name, [*inside, *self._command(config)])
        end = time.monotonic() + START_UP
        while True:
            try:
                self.established()
                return
            except LabError:
                self._processes.check()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """End the router at once, as a power cut does; one that is busy would not hear of a gentler signal."""
        self._processes.kill(self.settings.name)
        self._socket.close()

    @property
    def pid(self) -> int:
        """The process of the router."""
        return self._processes.pid(self.settings.name)

    def cpu(self) -> float:
        """Seconds of CPU of all its threads since its start."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> int:
        """Resident bytes."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        if found is None:
            raise LabError(f"{self.settings.name} has ended")
        return int(found[1]) * 1024

    @abstractmethod
    def config(self) -> str:
        """Its configuration file."""

    def established(self) -> frozenset[str]:
        """The addresses of the neighbours whose session is Established."""
        return frozenset(self.received())

    @abstractmethod
    def received(self) -> dict[str, int]:
        """The neighbours whose session is Established, by address, with how many paths it has from each."""

    @abstractmethod
    def paths(self, prefix: str) -> frozenset[tuple[str, str]]:
        """Neighbour's address and next hop of each path that it holds for a prefix, whether or not it is the best."""

    @abstractmethod
    def total_paths(self) -> int:
        """The paths that it holds for all prefixes."""

    @abstractmethod
    def _command(self, config: Path) -> list[str | Path]:
        """What is run."""

    @abstractmethod
    def _connection(self) -> RouterSocket:
        """What it is asked through."""


class Frr(Router):
    """FRR's bgpd alone, without zebra: it learns, chooses and announces, and writes nothing to the kernel."""

    MOST_SESSIONS = 5000

    def config(self) -> str:
        mine, (keepalive, hold) = self.settings, self.settings.timers
        loopback = mine.address.startswith("127.")
        lines = []
        if loopback:
            # FRR resets a session that brings a next hop of 127.0.0.0/8, as its own is in what it passes on. A map that
            # comes after its use takes effect five seconds later.
            hop = LOOPBACK_HOP + mine.address.split(".", 2)[2]
            lines += ["route-map LOOPBACK permit 10", f" set ip next-hop {hop}", "exit"]
        lines += [
            f"router bgp {mine.asn}",
            f" bgp router-id {mine.address}",
            " no bgp ebgp-requires-policy",
            " no bgp network import-check",
            " bgp bestpath as-path multipath-relax",
            f" bgp listen limit {self.MOST_SESSIONS if mine.limit is None else mine.limit}",
        ]
        groups = [f"RANGE{index}" for index, _ in enumerate(mine.ranges)]
        for group, (_, asn) in zip(groups, mine.ranges, strict=True):
            lines += [f" neighbor {group} peer-group", f" neighbor {group} remote-as {asn}"]
        lines += [f" neighbor {each.address} remote-as {each.asn}" for each in mine.neighbors]
        for name in (*groups, *(each.address for each in mine.neighbors)):
            lines += [
                f" neighbor {name} ebgp-multihop 255",
                f" neighbor {name} disable-connected-check",
                f" neighbor {name} timers {keepalive} {hold}",
                f" neighbor {name} timers connect 1",
            ]
        for each in mine.neighbors:
            lines += [
                f" neighbor {each.address} port {each.port}",
                f" neighbor {each.address} update-source {mine.address}",
            ]
            lines += [f" neighbor {each.address} passive"] if each.passive else []
        lines += [
            f" bgp listen range {prefix} peer-group {group}"
            for group, (prefix, _) in zip(groups, mine.ranges, strict=True)
        ]
        lines += [" address-family ipv4 unicast", "  maximum-paths 64"]
        if loopback:
            lines += [f"  neighbor {each.address} route-map LOOPBACK out" for each in mine.neighbors]
        return "\n".join(lines) + "\n"

    def received(self) -> dict[str, int]:
        """The neighbours whose session is Established, by address, with how many paths it has from each."""
        return {name: peer["pfxRcd"] for name, peer in self._peers().items() if peer["state"] == "Established"}

    def paths(self, prefix: str) -> frozenset[tuple[str, str]]:
        found = json.loads(self._socket.ask(f"show bgp ipv4 unicast {prefix} json")).get("paths", ())
        return frozenset((path["peer"]["peerId"], path["nexthops"][0]["ip"]) for path in found)

    def total_paths(self) -> int:
        return sum(peer["pfxRcd"] for peer in self._peers().values())

    def _peers(self) -> dict[str, Any]:
        found = json.loads(self._socket.ask("show bgp ipv4 unicast summary json"))
        peers: dict[str, Any] = found.get("peers", {})
        return peers

    def _command(self, config: Path) -> list[str | Path]:
        mine = self.settings
        return [
            *(BGPD, "-Z", "-S", "-f", config, "-i", self.sockets / "pid", "-l", mine.listen or mine.address),
            *("-p", str(mine.port), "--vty_socket", self.sockets, "-P", "0", "--log", "stdout"),
            # Without zebra it would complain about every next hop.
            *("--log-level", "emergencies"),
        ]

    def _connection(self) -> RouterSocket:
        return Vty(self.sockets / "bgpd.vty")


class Bird(Router):
    """BIRD 2. Raises ValueError for a limit on ranges, which it does not have."""

    def __init__(self, settings: Settings, processes: Processes, folder: Path, namespace: str = "") -> None:
        if settings.limit is not None:
            raise ValueError("BIRD has no limit on the sessions of a range")
        super().__init__(settings, processes, folder, namespace)

    def config(self) -> str:
        """Its configuration file; next hops are resolved in a table of their own, where all of them are known."""
        mine = self.settings
        lines = [
            f"router id {mine.address};",
            "protocol device {}",
            "ipv4 table hops;",
            "protocol static reach { ipv4 { table hops; }; route 0.0.0.0/0 blackhole; }",
        ]
        for index, (prefix, asn) in enumerate(mine.ranges):
            told = f'neighbor range {prefix} as {asn}; dynamic name "range{index}_"; passive;'
            lines.append(self._protocol(f"range{index}", told, waits=True))
        for index, each in enumerate(mine.neighbors):
            told = f"neighbor {each.address} port {each.port} as {each.asn};{' passive;' if each.passive else ''}"
            lines.append(self._protocol(f"neighbor{index}", told, waits=each.passive))
        return "\n".join(lines) + "\n"

    def _protocol(self, name: str, told: str, waits: bool) -> str:
        mine, (keepalive, hold) = self.settings, self.settings.timers
        # It takes sessions only at the local address that it is given, and where it has several it takes them at all.
        local = "" if waits and mine.listen else f" {mine.address}"
        bind = "" if mine.listen else " strict bind;"
        return (
            f"protocol bgp {name} {{ local{local} port {mine.port} as {mine.asn}; {told} multihop;{bind}\n"
            f"  hold time {hold}; keepalive time {keepalive};\n"
            "  connect delay time 1; connect retry time 1; error wait time 1, 1;\n"
            "  ipv4 { import all; export all; add paths rx; igp table hops; }; }"
        )

    def received(self) -> dict[str, int]:
        """The neighbours whose session is Established, by address, with how many paths it has from each."""
        # Only those that are up say how many routes they have; names begin at the margin.
        state = re.compile(
            r"BGP state: +Established\n +Neighbor address: ([\d.]+)(?:\n .*)*?\n +Routes: +(\d+) imported"
        )
        return {address: int(count) for address, count in state.findall(self._socket.ask("show protocols all"))}

    def paths(self, prefix: str) -> frozenset[tuple[str, str]]:
        path = re.compile(r"\[\S+ \S+ from ([\d.]+)\].*?BGP\.next_hop: ([\d.]+)", re.DOTALL)
        return frozenset(path.findall(self._socket.ask(f"show route table master4 {prefix} all")))

    def total_paths(self) -> int:
        answer = self._socket.ask("show route table master4 count")
        found = re.search(r"of (\d+) routes", answer)
        if found is None:
            raise LabError(f"{self.settings.name}: {answer!r} is no number of routes")
        return int(found[1])

    def _command(self, config: Path) -> list[str | Path]:
        return ["bird", "-f", "-c", config, "-s", self._control]

    @property
    def _control(self) -> Path:
        return self.sockets / "bird.ctl"

    def _connection(self) -> RouterSocket:
        return BirdControl(self._control)

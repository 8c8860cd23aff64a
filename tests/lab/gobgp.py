"""Real speakers without Kubernetes: Debian's gobgpd, a process each, as OpenELB has GoBGP inside."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.processes import Processes

API_PORT = 50051
"""Of every gobgpd: each has an address of its own."""

PORT = 17900
"""Where a speaker that is dialled listens."""

START_UP = 15.0

MOST_PATHS = 255
"""Paths a route that it sends at the most, the largest number that fits its configuration."""


class Peer(NamedTuple):
    """A router that the speaker is told of."""

    address: str
    asn: int
    port: int = 179
    passive: bool = False
    """The speaker waits for the router; it takes GoBGP five to ten seconds to dial for the first time."""
    feeds: bool = False
    """It is no router: what it announces is passed on as if it were the speaker's own, next hops and all."""


class GoBgp:
    """One gobgpd on an address of its own, which is its router id too."""

    def __init__(self, address: str, asn: int, peers: Iterable[Peer], processes: Processes, folder: Path) -> None:
        self.address = address
        self.asn = asn
        self.peers = tuple(peers)
        self.name = f"gobgpd-{address}"
        self._processes = processes
        self._folder = folder

    def start(self) -> None:
        """Start it, and wait until it answers."""
        config = self._folder / f"{self.name}.json"
        config.write_text(json.dumps(self.config()))
        api = f"{self.address}:{API_PORT}"
        command: list[str | Path] = [
            "gobgpd",
            "-f",
            config,
            "-t",
            "json",
            "--api-hosts",
            api,
            "--pprof-disable",
            "-l",
            "error",
        ]
        self._processes.start(self.name, command)
        end = time.monotonic() + START_UP
        while True:
            try:
                socket.create_connection((self.address, API_PORT), 1).close()
                return
            except OSError:
                self._processes.check()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def config(self) -> dict[str, Any]:
        """Its configuration: OpenELB's hold time is a setting, its graceful restart is off."""
        here: dict[str, Any] = {
            "as": self.asn,
            "router-id": self.address,
            "port": PORT,
            "local-address-list": [self.address],
        }
        told: dict[str, Any] = {"global": {"config": here}, "neighbors": [self._neighbor(peer) for peer in self.peers]}
        if any(peer.feeds for peer in self.peers):
            kept = {"route-disposition": "accept-route", "bgp-actions": {"set-next-hop": "unchanged"}}
            told["policy-definitions"] = [{"name": "keep", "statements": [{"name": "keep", "actions": kept}]}]
            told["global"]["apply-policy"] = {"config": {"export-policy-list": ["keep"]}}
        return told

    def _neighbor(self, peer: Peer) -> dict[str, Any]:
        several = {"receive": True} if peer.feeds else {"send-max": MOST_PATHS}
        paths = {"config": {"afi-safi-name": "ipv4-unicast"}, "add-paths": {"config": several}}
        transport = {"local-address": self.address, "remote-port": peer.port, "passive-mode": peer.passive}
        return {
            "config": {"neighbor-address": peer.address, "peer-as": peer.asn},
            "transport": {"config": transport},
            "timers": {"config": {"connect-retry": 1, "hold-time": 9, "keepalive-interval": 3}},
            "ebgp-multihop": {"config": {"enabled": True, "multihop-ttl": 64}},
            "afi-safis": [paths],
        }

    def announce(self, prefix: str, next_hops: Iterable[str]) -> None:
        """Announce a route with a path for each next hop."""
        for index, hop in enumerate(next_hops, 1):
            self.ask("global", "rib", "add", prefix, "nexthop", hop, "identifier", str(index))

    def ask(self, *command: str) -> str:
        """Run gobgp. Raises RuntimeError with what it says where it fails."""
        done = subprocess.run(
            ["gobgp", "-u", self.address, "-p", str(API_PORT), *command], capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {command}: {done.stdout}{done.stderr}")
        return done.stdout

    def kill(self) -> None:
        """End it at once: the kernel closes its sessions."""
        self._processes.kill(self.name)

"""A leaf-spine network of namespaces and veth pairs: leaves with bridges, nodes with an uplink to each of theirs.

    spine ── 172.31.L.1/30 ── leaf L ── 10.L.0.1/24, a bridge ── node, eth0 (eth1 under a second leaf)

Everybody reaches everybody: leaves route, the spine has a route to each leaf's nodes. The kernel's routes are fixed;
what BGP says is read from the routers.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.lab.processes import LabError

T = TypeVar("T")
SPINE, SPINE_ADDRESS = "spine", "10.0.0.1"
MARK = "bgplab"
CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class Uplink:
    """A node's link to a leaf: the leaf's number, from 1, and the node's address there."""

    leaf: int
    address: str


def leaf_address(leaf: int) -> str:
    """Where the nodes under a leaf reach it; also its router id."""
    return f"10.{leaf}.0.1"


def leaf_uplink(leaf: int) -> str:
    """The leaf's address on its link to the spine."""
    return f"172.31.{leaf}.2"


def spine_address(leaf: int) -> str:
    """The spine's address on its link to a leaf."""
    return f"172.31.{leaf}.1"


class Network:
    """The namespaces; those of a process that is gone are removed by the next one."""

    def __init__(self, leaves: int, nodes: Mapping[str, Sequence[Uplink]]) -> None:
        self.leaves = range(1, leaves + 1)
        self.nodes = {name: tuple(uplinks) for name, uplinks in nodes.items()}

    def namespace(self, name: str) -> str:
        """The namespace of a node, of a leaf (`leaf-1`) or of the spine."""
        return f"{MARK}-{os.getpid()}-{name}"

    def names(self) -> list[str]:
        """All of them, as they are called here."""
        return [SPINE, *map(leaf_name, self.leaves), *self.nodes]

    def refused(self) -> str:
        """Why this machine makes no namespaces, if it does not."""
        try:
            self.build()
        except LabError as error:
            return str(error)
        finally:
            self.close()
        return ""

    def build(self) -> None:
        """Make everything."""
        remove_leftovers()
        self.close()
        run(["ip", "-batch", "-"], [f"netns add {self.namespace(name)}" for name in self.names()])
        spine = ["link set lo up", f"addr add {SPINE_ADDRESS}/32 dev lo"]
        self._links(SPINE, spine + [line for leaf in self.leaves for line in self._to_leaf(leaf)])
        for leaf in self.leaves:
            self._links(leaf_name(leaf), self._in_leaf(leaf))
        for name, uplinks in self.nodes.items():
            lines = ["link set lo up"]
            for number, uplink in enumerate(uplinks):
                lines += [f"addr add {uplink.address}/24 dev eth{number}", f"link set eth{number} up"]
            self._links(name, [*lines, f"route add default via {leaf_address(uplinks[0].leaf)}"])
        for name in (SPINE, *map(leaf_name, self.leaves)):
            run(["ip", "netns", "exec", self.namespace(name), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])

    def _to_leaf(self, leaf: int) -> list[str]:
        there = self.namespace(leaf_name(leaf))
        return [
            f"link add leaf{leaf} type veth peer name spine netns {there}",
            f"addr add {spine_address(leaf)}/30 dev leaf{leaf}",
            f"link set leaf{leaf} up",
            f"route add 10.{leaf}.0.0/24 via {leaf_uplink(leaf)}",
        ]

    def _in_leaf(self, leaf: int) -> list[str]:
        lines = [
            "link set lo up",
            f"addr add {leaf_uplink(leaf)}/30 dev spine",
            "link set spine up",
            f"route add default via {spine_address(leaf)}",
            "link add br0 type bridge",
            f"addr add {leaf_address(leaf)}/24 dev br0",
            "link set br0 up",
        ]
        for port, (name, number) in enumerate(self._ports(leaf)):
            lines += [
                f"link add port{port} type veth peer name eth{number} netns {self.namespace(name)}",
                f"link set port{port} master br0 up",
            ]
        return lines

    def _ports(self, leaf: int) -> list[tuple[str, int]]:
        return [
            (name, number)
            for name, uplinks in self.nodes.items()
            for number, uplink in enumerate(uplinks)
            if uplink.leaf == leaf
        ]

    def _links(self, name: str, lines: Iterable[str]) -> None:
        run(["ip", "-n", self.namespace(name), "-batch", "-"], lines)

    def cut(self, node: str) -> None:
        """Take a node off the network, without a word to anybody."""
        self._links(node, [f"link set eth{number} down" for number in range(len(self.nodes[node]))])

    def listen(self, node: str, port: int) -> socket.socket:
        """A socket of this process that listens on a node's own loopback address."""
        return in_namespace(self.namespace(node), lambda: socket.create_server(("127.0.0.1", port)))

    def close(self) -> None:
        """Remove everything."""
        remove([self.namespace(name) for name in self.names()])


def leaf_name(leaf: int) -> str:
    """How a leaf is called."""
    return f"leaf-{leaf}"


def run(command: Sequence[str], lines: Iterable[str] = ()) -> None:
    """Run a command of `ip` with these lines of input."""
    text = "".join(f"{line}\n" for line in lines)
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise LabError(f"{' '.join(command)}: {result.stderr.strip()}")


def remove(namespaces: Iterable[str]) -> None:
    """Remove namespaces, those that are gone too."""
    lines = "".join(f"netns del {name}\n" for name in namespaces)
    subprocess.run(["ip", "-force", "-batch", "-"], input=lines, capture_output=True, text=True, check=False)


def remove_leftovers() -> None:
    """Remove the namespaces of processes that were killed."""
    found = [path.name for path in NAMESPACES.glob(f"{MARK}-*")] if NAMESPACES.is_dir() else []
    remove(name for name in found if not Path("/proc", name.split("-")[1]).exists())


def in_namespace(namespace: str, act: Callable[[], T]) -> T:
    """What an act gives that a thread does in a network namespace; this one stays where it is."""
    done: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            with (NAMESPACES / namespace).open("rb") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            done.append(act())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]

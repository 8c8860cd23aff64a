"""Moves of a cluster of the laboratory: the commands on it, and what has to be true before, during and after one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import msgspec

from optimizer.plan.hold import ANNOTATION
from tests.lab import warm
from tests.lab.client import MERGE, Object
from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.history import History
from tests.lab.objects import NODES, PODS, RACK, SPEAKER, SYSTEM, daemonset, nodes, peer, rack_peer
from tests.lab.proxy import Proxy
from tests.lab.speakers import Speakers, speakers
from tests.lab.warm import Ended, Running

LABEL = "bgp-speakers/speaker"
DAEMONSETS = f"/apis/apps/v1/namespaces/{SYSTEM}/daemonsets"
REVISIONS = f"/apis/apps/v1/namespaces/{SYSTEM}/controllerrevisions"
# The API server counts the template's changes here itself.
COUNTED = "deprecated.daemonset.template.generation"
# What tells versions of an object apart, not what it says; and what the server alone decides where it makes one anew.
VERSION, BIRTH = ("managedFields", "resourceVersion", "generation"), ("uid", "creationTimestamp")
LEAVES = {"leaf-a": "10.0.0.1", "leaf-b": "10.0.0.2", "leaf-c": "10.0.0.3"}
FAST = ("--interval", "0.05", "--timeout", "20")
Sessions = dict[str, frozenset[str]]


class Works(Protocol):
    """Speakers at work, whether they are played or real."""

    @property
    def history(self) -> History:
        """Which sessions were ESTABLISHED when, by the router's address."""

    def sessions(self) -> dict[str, frozenset[str]]:
        """The nodes with an ESTABLISHED session now; addresses without any are left out."""

    def running(self) -> frozenset[str]:
        """The nodes with a speaker now."""


class Move:
    """A cluster whose speakers are at work, reached through a proxy, and the commands that move it."""

    # Seconds after which a speaker has written the state of its sessions.
    period = warm.PERIOD
    # How often a command looks, and how long it waits without progress.
    pace = FAST

    def __init__(self, lab: Lab, works: Works, proxy: Proxy, folder: Path) -> None:
        self.lab, self.works, self.proxy, self.folder = lab, works, proxy, folder
        self.placement, self.way_back = folder / "placement.json", folder / "placement.rollback.json"
        # The sessions that each router keeps at every moment, if it has so many.
        self.least = 2
        self._since, self._before = 0.0, Sessions()

    # The commands

    def start(self, *arguments: str | Path) -> Running:
        """Start a command on the cluster."""
        command = *map(str, arguments), "--kubeconfig", str(self.proxy.kubeconfig)
        return warm.start(self.folder, *command, period=self.period)

    def run(self, *arguments: str | Path, code: int = 0) -> Ended:
        """Run a command; it ends with this code and without a traceback, where it fails with one sentence."""
        return ended(self.start(*arguments), code)

    def optimize(self, *options: str | Path) -> list[str]:
        """Write the best placement; its nodes."""
        self.run("optimize", "--live", "-o", self.placement, *options)
        return self.chosen()

    def plan(self, *options: str, code: int = 0) -> Ended:
        """Plan."""
        return self.run("plan", self.placement, *options, code=code)

    def apply(self, *options: str | Path, code: int = 0) -> Ended:
        """Apply."""
        return self.run("apply", self.placement, "--yes", *self.pace, *options, code=code)

    def rollback(self, *options: str, code: int = 0) -> Ended:
        """Roll back."""
        return self.run("rollback", self.way_back, "--yes", *self.pace, *options, code=code)

    def start_apply(self, *options: str) -> Running:
        """Start to apply."""
        return self.start("apply", self.placement, "--yes", *self.pace, *options)

    def start_rollback(self) -> Running:
        """Start to roll back."""
        return self.start("rollback", self.way_back, "--yes", *self.pace)

    # The state

    def chosen(self) -> list[str]:
        """The nodes of the placement."""
        found: list[str] = msgspec.json.decode(self.placement.read_bytes())["speakers"]
        return found

    def wanted(self, addresses: Mapping[str, str] | None = None) -> Sessions:
        """The placement's sessions by address; `addresses` of the routers that are not called like BgpPeers."""
        known = {each["metadata"]["name"]: address_of(each) for each in self.lab.client.items(PEERS)}
        found = defaultdict(set)
        for each in msgspec.json.decode(self.placement.read_bytes())["sessions"]:
            found[(known | dict(addresses or {}))[each["router"]]].add(each["node"])
        return {address: frozenset(names) for address, names in found.items()}

    def settle(self, sessions: Mapping[str, Iterable[str]]) -> None:
        """Wait until these are the sessions, and the BgpPeers and the DaemonSet say so; a move is to begin."""
        expected = {address: frozenset(names) for address, names in sessions.items()}
        self.lab.eventually(f"sessions are {expected}", lambda: self.works.sessions() == expected)
        self.lab.eventually("that is told", lambda: self.told() == expected)
        self.lab.eventually("the DaemonSet is at rest", self._at_rest)
        self._since, self._before = time.monotonic(), expected

    def told(self) -> Sessions:
        """What the BgpPeers say."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for each in self.lab.client.items(PEERS):
            for node, entry in each.get("status", {}).get("nodesPeerStatus", {}).items():
                if entry["peerState"]["sessionState"] == "ESTABLISHED" and node in self.works.running():
                    found[address_of(each)].add(node)
        return {address: frozenset(names) for address, names in found.items()}

    def _at_rest(self) -> bool:
        status = self.daemonset()["status"]
        return bool(status.get("numberAvailable", 0) == status["desiredNumberScheduled"] > 0)

    def daemonset(self) -> Object:
        """The speakers' DaemonSet."""
        found: Object = self.lab.client.get(f"{DAEMONSETS}/{SPEAKER}")
        return found

    def node(self, name: str) -> Object:
        """A node."""
        found: Object = self.lab.client.get(f"{NODES}/{name}")
        return found

    def peer(self, name: str) -> Object:
        """A BgpPeer."""
        found: Object = self.lab.client.get(f"{PEERS}/{name}")
        return found

    def snapshot(self) -> dict[str, Object]:
        """Nodes, DaemonSet and BgpPeers, field by field, without what tells versions apart and without status."""
        client = self.lab.client
        found = {
            f"{kind} {each['metadata']['name']}": deepcopy(each)
            for kind, path in (("Node", NODES), ("DaemonSet", DAEMONSETS), ("BgpPeer", PEERS))
            for each in client.items(path)
        }
        for each in found.values():
            each.pop("status", None)
            each["metadata"] = {name: value for name, value in each["metadata"].items() if name not in VERSION}
            each["metadata"].get("annotations", {}).pop(COUNTED, None)
        return found

    def pods(self) -> dict[str, Object]:
        """The speakers' pods by node, those that wait for one left out: they run nowhere."""
        found = self.lab.client.items(PODS)
        return {each["spec"]["nodeName"]: each for each in found if each["spec"].get("nodeName")}

    def by_hand(self, path: str, body: Any, manager: str = "kubectl-edit", content_type: str = MERGE) -> None:
        """Change an object as somebody else."""
        self.lab.client.send("PATCH", path, body, content_type, fieldManager=manager)

    # What has to be true

    def kept(self) -> None:
        """Since the move began, every router that had `least` sessions then has had as many at every moment."""
        lowest = {address: self.works.history.lowest(address, self._since) for address in self._before}
        held = {address: min(self.least, len(names)) for address, names in self._before.items()}
        assert {address: min(lowest[address], number) for address, number in held.items()} == held, lowest

    def arrived(self) -> None:
        """The placement is there, in truth and as the API server tells it, and nothing of the way is left."""
        self.kept()
        expected, chosen = self.wanted(), set(self.chosen())
        now = self.works.sessions()
        # What is wanted is up before the command ends; what is not wanted any more ends by itself.
        assert all(names <= now.get(address, frozenset()) for address, names in expected.items()), now
        self.lab.eventually(f"sessions are {expected}", lambda: self.works.sessions() == expected)
        self.kept()
        pods = self.pods()
        assert set(pods) == chosen
        newest = max(self.lab.client.items(REVISIONS), key=lambda each: int(each["revision"]))
        revision = newest["metadata"]["labels"]["controller-revision-hash"]
        assert {each["metadata"]["labels"]["controller-revision-hash"] for each in pods.values()} == {revision}
        labelled = {each["metadata"]["name"] for each in self.lab.client.items(NODES) if ours(each)}
        assert labelled == chosen
        assert ANNOTATION not in self.daemonset()["metadata"].get("annotations", {})

    def nothing_to_change(self, *options: str) -> None:
        """A plan from here has no step."""
        assert "nothing to change" in self.plan(*options).out

    def is_back(self, start: Mapping[str, Object], loose: Iterable[str] = ()) -> None:
        """Everything is as it was, field by field; `loose`: fields of metadata that are not compared."""
        self.kept()
        found = self.snapshot()
        assert found.keys() == start.keys()
        for name, each in found.items():
            for side in (each, expected := deepcopy(start[name])):
                for field in loose:
                    side["metadata"].pop(field, None)
            assert each == expected, name
        self.lab.eventually("sessions are back", lambda: self.works.sessions() == self._before)
        self.kept()


class Scene(Move):
    """A cluster whose speakers are played."""

    works: Speakers


def ended(running: Running, code: int) -> Ended:
    """How a command has ended: with this code, and where it fails with one sentence."""
    result = running.wait()
    assert result.code == code, (result.code, result.out, result.err)
    assert "Traceback" not in result.err, result.err
    sentences = [line for line in result.err.splitlines() if line.startswith("bgp-speakers: ")]
    assert len(sentences) == (0 if code in (0, 3) else 1), result.err
    if sentences:
        assert result.err.rstrip().splitlines()[-1] == sentences[0], result.err
    return result


def sentence(result: Ended) -> str:
    """What a command that failed says."""
    return result.err.rstrip().splitlines()[-1]


def ours(node: Object) -> bool:
    """Whether a node has the speakers' label."""
    return bool(node["metadata"]["labels"].get(LABEL) == "true")


def address_of(peer: Object) -> str:
    """A BgpPeer's address."""
    address: str = peer["spec"]["conf"]["neighborAddress"]
    return address


def managers(manifest: Object) -> set[str]:
    """Who has written anything but the status of an object."""
    return {each["manager"] for each in manifest["metadata"]["managedFields"] if not each.get("subresource")}


def rack_address(number: int) -> str:
    """The address of a rack's router."""
    return f"192.168.{number}.1"


def racks(count: int, size: int) -> list[Object]:
    """Racks with a router each, and speakers on all nodes."""
    peers = [rack_peer(f"r{number}", rack_address(number)) for number in range(1, count + 1)]
    return [*nodes(count, size), daemonset(), *peers]


def labelled(objects: Iterable[Object], *names: str) -> list[Object]:
    """The same, with speakers on the nodes of these names alone, by the label that is used by default."""
    made = [deepcopy(each) for each in objects if each["kind"] != "DaemonSet"]
    for each in made:
        if each["metadata"]["name"] in names:
            each["metadata"]["labels"][LABEL] = "true"
    return [*made, daemonset({LABEL: "true"})]


def all_of(count: int, size: int) -> dict[str, set[str]]:
    """The sessions of all these nodes with the router of their rack."""
    return {rack_address(rack): {f"r{rack}-n{node}" for node in range(1, size + 1)} for rack in range(1, count + 1)}


def in_rack(number: int) -> Object:
    return {"matchLabels": {RACK: f"r{number}"}}


def leaves(folder: Path) -> tuple[list[Object], dict[str, set[str]], Path]:
    """Six nodes, each under two or three leaves, the sessions of all, and the topology of it."""
    under = {
        "leaf-a": {"r1-n1", "r1-n2", "r1-n3", "r1-n4"},
        "leaf-b": {"r1-n3", "r1-n4", "r1-n5", "r1-n6"},
        "leaf-c": {"r1-n1", "r1-n4", "r1-n6"},
    }
    made = nodes(1, 6)
    for each in made:
        names = [leaf for leaf, found in under.items() if each["metadata"]["name"] in found]
        each["metadata"]["labels"] |= {f"example.com/{leaf}": "yes" for leaf in names}
    selectors = {leaf: {"matchLabels": {f"example.com/{leaf}": "yes"}} for leaf in under}
    objects = [*made, daemonset(), *(peer(leaf, LEAVES[leaf], selectors[leaf]) for leaf in under)]
    topology = folder / "topology.json"
    routers = [{"name": leaf, "address": LEAVES[leaf], "nodes": {"selector": selectors[leaf]}} for leaf in under]
    topology.write_bytes(msgspec.json.encode({"routers": routers}))
    return objects, {LEAVES[leaf]: names for leaf, names in under.items()}, topology


@contextmanager
def scene(
    lab: Lab, folder: Path, objects: Iterable[Object], sessions: Mapping[str, Iterable[str]], **settings: Any
) -> Iterator[Scene]:
    """A cluster of these objects, settled with these sessions; `settings` are those of the speakers."""
    lab.client.create_all(objects)
    with speakers(lab, **{"delay": 0.02, "period": 0.05, **settings}) as works, Proxy(lab, folder) as proxy:
        made = Scene(lab, works, proxy, folder)
        made.settle(sessions)
        yield made

"""A stand-in for all of OpenELB's speakers: pods, BgpPeers and node labels in, sessions and the BgpPeers' status out.

As the real ones do, a speaker looks at its node's labels when it starts and when the spec of a BgpPeer changes, but
not when the labels change; sessions are known by address alone, so that of two BgpPeers with one address the one that
was looked at last decides; a speaker takes its own entry out of the status where it has no session, and nobody takes
out that of a speaker which is gone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import msgspec
import urllib3

from tests.lab.client import ApiError
from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.history import History
from tests.lab.objects import NODES, PODS
from tests.lab.seen import Node, Peer, Pod, selects
from tests.lab.sessions import Sessions
from tests.lab.watch import ListOf, Watch

METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
TICK = 0.1
# How much of the time may go into looking at labels: where there are thousands of nodes, a look is long.
SHARE = 0.25
WRITERS = 4
Settings = dict[str, Any]


class Speakers:
    """All speakers of a cluster; `silent`, `limits` and `delay` may be set at any time.

    `silent`: nodes whose sessions do not come up; those that are up stay. `limits`: how many sessions a router takes.
    `delay`: the seconds until a session is up. `period`: the seconds from status to status.
    """

    def __init__(
        self,
        lab: Lab,
        delay: float = 0.1,
        period: float = 0.5,
        silent: Collection[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.delay, self.period = delay, period
        self.silent, self.limits = set(silent), dict(limits or {})
        self._client = lab.client
        self._lock = threading.Lock()
        self._sessions = Sessions(self._changed)
        # The pods that are at work, and by node how they are called.
        self._pods: dict[str, Pod] = {}
        self._running: dict[str, set[str]] = {}
        self._peers: dict[str, Peer] = {}
        self._names: dict[str, set[str]] = defaultdict(set)
        # What is to be decided, in order: the speaker of a node has started, a BgpPeer has changed.
        self._tasks: list[tuple[str, str]] = []
        self._next_look = 0.0
        # By BgpPeer: nodes whose entries are to be written, and those that have one.
        self._dirty: dict[str, set[str]] = defaultdict(set)
        self._shown: dict[str, set[str]] = defaultdict(set)
        self._labels = msgspec.json.Decoder(ListOf[Node])
        self._queue: queue.Queue[tuple[str, str, list[Any]]] = queue.Queue()
        self._stopped = threading.Event()
        self._watches: list[Watch[Any]] = [
            Watch(self._client, PODS, Pod, partial(self._put, "pods")),
            Watch(self._client, PEERS, Peer, partial(self._put, "peers")),
        ]
        self._threads = [
            threading.Thread(target=self._run, name="speakers", daemon=True),
            threading.Thread(target=self._write, name="status of the speakers", daemon=True),
        ]

    @property
    def history(self) -> History:
        """Which sessions were ESTABLISHED when."""
        return self._sessions.history

    def sessions(self) -> dict[str, frozenset[str]]:
        """The nodes with an ESTABLISHED session now, by address; addresses without any are left out."""
        with self._lock:
            return {address: frozenset(nodes) for address, nodes in self._sessions.up.items() if nodes}

    def running(self) -> frozenset[str]:
        """The nodes with a speaker now."""
        with self._lock:
            return frozenset(self._running)

    def start(self) -> None:
        """Start."""
        for thread in [*self._threads, *self._watches]:
            thread.start()

    def stop(self) -> None:
        """Stop; what is in the status stays there."""
        self._stopped.set()
        for watch in self._watches:
            watch.stop()
        for thread in self._threads:
            thread.join()

    # What is seen

    def _put(self, kind: str, event: str, objects: list[Any]) -> None:
        self._queue.put((kind, event, objects))

    def _run(self) -> None:
        while not self._stopped.is_set():
            seen = []
            with suppress(queue.Empty):
                seen.append(self._queue.get(timeout=self._sessions.wait(TICK)))
                while True:
                    seen.append(self._queue.get_nowait())
            with self._lock:
                for kind, event, objects in seen:
                    (self._take_pods if kind == "pods" else self._take_peers)(event, objects)
            if self._tasks and time.monotonic() >= self._next_look:
                self._look()
            with self._lock:
                self._sessions.establish(set(self.silent), dict(self.limits))

    def _take_pods(self, event: str, pods: list[Pod]) -> None:
        if event == "LIST":
            for name in self._pods.keys() - {each.metadata.name for each in pods}:
                self._end(name)
        for each in pods:
            name, known = each.metadata.name, self._pods.get(each.metadata.name)
            at_work = each.speaks and event != "DELETED"
            if known and (not at_work or known.metadata.uid != each.metadata.uid):
                self._end(name)
            if at_work and name not in self._pods:
                self._pods[name] = each
                self._running.setdefault(each.spec.node_name, set()).add(name)
                self._tasks.append(("node", each.spec.node_name))

    def _end(self, name: str) -> None:
        node = self._pods.pop(name).spec.node_name
        self._running[node].remove(name)
        if not self._running[node]:
            del self._running[node]
            self._sessions.close_node(node)

    def _take_peers(self, event: str, peers: list[Peer]) -> None:
        if event == "LIST":
            for name in self._peers.keys() - {each.metadata.name for each in peers}:
                self._forget(name)
        for each in peers:
            name, known = each.metadata.name, self._peers.get(each.metadata.name)
            gone = event == "DELETED" or each.metadata.deletion_timestamp
            if known and (gone or known.metadata.uid != each.metadata.uid):
                self._forget(name)
                known = None
            if gone or (known and known.spec == each.spec):
                continue
            if known is None:
                self._shown[name] = set(each.status.nodes_peer_status)
            else:
                self._names[known.decoded.conf.neighbor_address].discard(name)
            self._peers[name] = each
            self._names[each.decoded.conf.neighbor_address].add(name)
            self._dirty[name].update(self._running)
            self._tasks.append(("peer", name))

    def _forget(self, name: str) -> None:
        address = self._peers.pop(name).decoded.conf.neighbor_address
        self._names[address].discard(name)
        self._dirty.pop(name, None)
        self._shown.pop(name, None)
        self._sessions.close_address(address)

    # What is decided

    def _look(self) -> None:
        """Carry out what is to be decided, by the labels as they are now.

        A watch of the nodes could be behind, so that a BgpPeer changed after a label would meet the label before.
        """
        began = time.monotonic()
        try:
            nodes = self._labels.decode(self._client.send("GET", NODES, accept=METADATA)).items or []
        except (ApiError, urllib3.exceptions.HTTPError):
            self._next_look = time.monotonic() + TICK
            return
        labels = {each.metadata.name: each.metadata.labels for each in nodes}
        with self._lock:
            specs = {name: each.decoded for name, each in sorted(self._peers.items())}
            for kind, name in self._tasks:
                among = [name] if kind == "node" else list(self._running)
                for spec in specs.values() if kind == "node" else [specs[name]] if name in specs else []:
                    for node in among:
                        if node in self._running and node in labels:
                            self._evaluate(spec.conf.neighbor_address, spec.node_selector, node, labels[node])
                if kind == "node":
                    # It takes out the entries of the speaker before it.
                    for peer, nodes_shown in self._shown.items():
                        if name in nodes_shown:
                            self._dirty[peer].add(name)
            self._tasks.clear()
        ended = time.monotonic()
        self._next_look = ended + (ended - began) * (1 / SHARE - 1)

    def _evaluate(self, address: str, selector: Mapping[str, Any] | None, node: str, labels: Mapping[str, str]) -> None:
        try:
            selected = selects(selector, labels)
        except KeyError:
            # The real ones cannot read such a selector either, and leave everything as it is.
            return
        if selected:
            self._sessions.open(address, node, self.delay)
        else:
            self._sessions.close(address, node)

    # What is written

    def _changed(self, address: str, node: str) -> None:
        for name in self._names.get(address, ()):
            self._dirty[name].add(node)

    def _write(self) -> None:
        with ThreadPoolExecutor(WRITERS, "status") as pool:
            while not self._stopped.wait(self.period):
                with self._lock:
                    for address in [each for each in self._sessions.held if not self._names.get(each)]:
                        # No BgpPeer has this address any more.
                        self._sessions.close_address(address)
                    work, self._dirty = self._dirty, defaultdict(set)
                    patches = [(name, nodes, self._entries(name, nodes)) for name, nodes in work.items()]
                for _ in pool.map(self._patch, [each for each in patches if each[2]]):
                    pass

    def _entries(self, name: str, nodes: Collection[str]) -> Settings:
        """What these nodes' speakers say of a BgpPeer; None: their entry goes."""
        if name not in self._peers:
            return {}
        address = self._peers[name].decoded.conf.neighbor_address
        held = self._sessions.held.get(address, {})
        found: Settings = {}
        for node in nodes:
            if node not in self._running:
                continue
            session = held.get(node)
            if session is not None:
                state = "ESTABLISHED" if session.uptime else "ACTIVE"
                found[node] = {
                    "peerState": {"neighborAddress": address, "sessionState": state},
                    "timersState": {"uptime": session.uptime or None},
                }
            elif node in self._shown[name]:
                found[node] = None
        return found

    def _patch(self, work: tuple[str, set[str], Settings]) -> None:
        name, nodes, entries = work
        try:
            self._client.send(
                "PATCH",
                f"{PEERS}/{name}/status",
                {"status": {"nodesPeerStatus": entries}},
                "application/merge-patch+json",
            )
        except (ApiError, urllib3.exceptions.HTTPError):
            with self._lock:
                self._dirty[name] |= nodes
            return
        with self._lock:
            for node, entry in entries.items():
                (self._shown[name].discard if entry is None else self._shown[name].add)(node)


@contextmanager
def speakers(lab: Lab, **settings: Any) -> Iterator[Speakers]:
    """Speakers at work; the settings are those of `Speakers`."""
    made = Speakers(lab, **settings)
    made.start()
    try:
        yield made
    finally:
        made.stop()

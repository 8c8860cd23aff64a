"""Reads a router again and again: which sessions it has, and how many paths to the one service, at every moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.lab.history import History
from tests.lab.processes import LabError
from tests.lab.routers import Router

INTERVAL = 0.1


class Sample(NamedTuple):
    """What a router had at a moment (time.monotonic()): the nodes with a session, and how many paths it was told."""

    time: float
    nodes: frozenset[str]
    paths: int


class Probe(threading.Thread):
    """Ten looks a second at a router, where the machine keeps up.

    `node_of` tells whose address a neighbour's is. Of a `leaf` the paths from its nodes count alone: what it has from
    the spine is a way round.
    """

    def __init__(self, router: Router, node_of: Callable[[str], str | None], history: History, leaf: bool) -> None:
        super().__init__(name=f"probe {router.settings.name}", daemon=True)
        self._router, self._node_of, self._history, self._leaf = router, node_of, history, leaf
        self._stopped = threading.Event()
        self.samples: list[Sample] = []

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Look until stopped."""
        before: frozenset[str] = frozenset()
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                found = self.look()
            except LabError:
                # A router that does not answer counts as one without sessions.
                found = Sample(began, frozenset(), 0)
            self.samples.append(found)
            total = len(before)
            # What comes and what goes between two looks counts as gone first: the lowest that it may have been.
            for up, nodes in ((False, before - found.nodes), (True, found.nodes - before)):
                for node in sorted(nodes):
                    total += 1 if up else -1
                    self._history.add(self._router.settings.address, node, up, total)
            before = found.nodes
            self._stopped.wait(max(0.0, INTERVAL - (time.monotonic() - began)))

    def look(self) -> Sample:
        """One look."""
        began = time.monotonic()
        received = self._router.received()
        told = {address: number for address, number in received.items() if self._node_of(address) or not self._leaf}
        return Sample(began, frozenset(filter(None, map(self._node_of, received))), sum(told.values()))

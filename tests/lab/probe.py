"""Reads every router again and again: how many sessions it has, and the paths to a service, at every moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .history import History
from .processes import LabError
from .routers import Router

INTERVAL = 0.1


class Sample(NamedTuple):
    """What a router had at a moment (time.monotonic()): nodes with a session, paths by next hop to the service."""

    time: float
    nodes: frozenset[str]
    hops: frozenset[str]


class Probe(threading.Thread):
    """Ten looks a second at each router, by name; `node_of` tells whose address a neighbour's is."""

    def __init__(self, router: Router, service: str, node_of: Callable[[str], str | None], history: History) -> None:
        super().__init__(name=f"probe {router.settings.name}", daemon=True)
        self._router, self._service, self._node_of, self._history = router, service, node_of, history
        self._stopped = threading.Event()
        self.samples: list[Sample] = []
        self.failed: list[str] = []

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
            except LabError as error:
                # A router that was killed on purpose has no sessions.
                self.failed.append(str(error))
                found = Sample(began, frozenset(), frozenset())
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
        known = map(self._node_of, self._router.established())
        hops = frozenset(hop for _, hop in self._router.paths(f"{self._service}/32"))
        return Sample(began, frozenset(filter(None, known)), hops)


def since(samples: Mapping[str, list[Sample]], moment: float) -> dict[str, list[Sample]]:
    """The looks from a moment on."""
    return {name: [each for each in found if each.time >= moment] for name, found in samples.items()}

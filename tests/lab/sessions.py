"""The sessions that the speakers hold: opened, established where router and node let them, closed."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from itertools import count

from tests.lab.history import History
from tests.lab.objects import now


class Session:
    """A session that is being tried, and since when it is up (RFC 3339)."""

    __slots__ = ("uptime",)

    def __init__(self) -> None:
        self.uptime = ""


class Sessions:
    """Sessions by address and node; `changed` is told of each that looks different to its speaker.

    Not for several threads at once: whoever has it has a lock.
    """

    def __init__(self, changed: Callable[[str, str], None]) -> None:
        self.held: dict[str, dict[str, Session]] = defaultdict(dict)
        self.up: dict[str, set[str]] = defaultdict(set)
        self.history = History()
        self._changed = changed
        self._due: list[tuple[float, int, str, str, Session]] = []
        self._numbers = count()
        # Those whose time has come, in that order, but whose node or router does not let them.
        self._blocked: dict[str, dict[str, Session]] = defaultdict(dict)

    def open(self, address: str, node: str, delay: float) -> None:
        """Have a session that comes up after the delay, unless there is one."""
        if node not in self.held[address]:
            session = self.held[address][node] = Session()
            heapq.heappush(self._due, (time.monotonic() + delay, next(self._numbers), address, node, session))
            self._changed(address, node)

    def close(self, address: str, node: str) -> None:
        """Have no session."""
        if self.held[address].pop(node, None) is None:
            return
        self._blocked[address].pop(node, None)
        if node in self.up[address]:
            self.up[address].remove(node)
            self.history.add(address, node, False, len(self.up[address]))
        self._changed(address, node)

    def close_node(self, node: str) -> None:
        """A speaker ends."""
        for address in [address for address, nodes in self.held.items() if node in nodes]:
            self.close(address, node)

    def close_address(self, address: str) -> None:
        """Every speaker drops its session with a router."""
        for node in list(self.held.get(address, ())):
            self.close(address, node)

    def establish(self, silent: Collection[str], limits: Mapping[str, int]) -> None:
        """Sessions whose time has come are up, as far as nodes and routers let them."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, address, node, session = heapq.heappop(self._due)
            if self.held[address].get(node) is session:
                self._blocked[address][node] = session
        for address in [address for address, waiting in self._blocked.items() if waiting]:
            waiting, limit = self._blocked[address], limits.get(address)
            for node in list(waiting):
                if limit is not None and len(self.up[address]) >= limit:
                    break
                if node not in silent:
                    waiting.pop(node).uptime = now()
                    self.up[address].add(node)
                    self.history.add(address, node, True, len(self.up[address]))
                    self._changed(address, node)

    def wait(self, longest: float) -> float:
        """The seconds until the next one's time has come, at most so many."""
        return max(0.0, min(longest, self._due[0][0] - time.monotonic())) if self._due else longest

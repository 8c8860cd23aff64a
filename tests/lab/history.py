"""Which sessions were ESTABLISHED when: the truth that tests compare with."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Change(NamedTuple):
    """A session came up or went down; `total` is how many its router had from then on."""

    time: float
    address: str
    node: str
    up: bool
    total: int


class History:
    """All changes in order, one by one; times are those of time.monotonic()."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._of: dict[str, list[Change]] = defaultdict(list)

    def add(self, address: str, node: str, up: bool, total: int) -> None:
        """Note a change."""
        change = Change(time.monotonic(), address, node, up, total)
        self.changes.append(change)
        self._of[address].append(change)

    def of(self, address: str) -> list[Change]:
        """A router's changes."""
        return list(self._of.get(address, ()))

    def lowest(self, address: str, since: float = 0.0) -> int:
        """The fewest sessions that a router had at any moment from then on, that moment included."""
        lowest, before = None, 0
        for change in self.of(address):
            if change.time <= since:
                before = change.total
            else:
                lowest = min(change.total, before if lowest is None else lowest)
        return before if lowest is None else lowest

    def reached(self, address: str, count: int) -> float | None:
        """When a router first had so many sessions."""
        return next((each.time for each in self.of(address) if each.total >= count), None)

    def lowest_once(self, address: str, count: int) -> int | None:
        """The fewest sessions that a router had after it first had so many; None if it never had."""
        since = self.reached(address, count)
        return None if since is None else self.lowest(address, since)

    def moments(self) -> Iterator[tuple[float, Mapping[str, frozenset[str]]]]:
        """The nodes with a session to each address, after each change."""
        now: dict[str, frozenset[str]] = {}
        for change in list(self.changes):
            nodes = now.get(change.address, frozenset())
            now = now | {change.address: nodes | {change.node} if change.up else nodes - {change.node}}
            yield change.time, now

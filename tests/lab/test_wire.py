"""What optimize predicts and apply does, read from real routers with real speakers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.plan import Plan
from tests.lab.wired import Wired, wired

pytestmark = [pytest.mark.lab, pytest.mark.routers, pytest.mark.wire]


def there_and_back(it: Wired, sessions: int, speakers: int, *options: str) -> None:
    """Optimize, apply, and take it back; the numbers are those of sessions and speakers that are left."""
    start = it.snapshot()
    it.optimize("--topology", it.topology, *options)
    assert (sum(map(len, it.wanted().values())), len(it.chosen())) == (sessions, speakers)
    it.apply()
    it.as_predicted()
    it.rollback()
    it.is_back(start)
    it.never_dark()


def test_single_tor(wire: Lab, tmp_path: Path) -> None:
    """Forty speakers with four leaves each; two for each leaf are the least."""
    with wired(wire, tmp_path, Plan()) as it:
        there_and_back(it, 8, 8)


def test_dual_tor(wire: Lab, tmp_path: Path) -> None:
    """A node is under two leaves, so that two speakers for each pair of leaves are the least."""
    with wired(wire, tmp_path, Plan(dual=True)) as it:
        there_and_back(it, 8, 4)


def test_dual_tor_with_chosen_sessions(wire: Lab, tmp_path: Path) -> None:
    """Leaves want three sessions, of which no more than three each can be: BgpPeers name the nodes."""
    with wired(wire, tmp_path, Plan(dual=True, size=4)) as it:
        there_and_back(it, 12, 6, "--peering", "selected", "--speakers-per-router", "3")


def test_rack_labels_with_an_as_for_each_rack(wire: Lab, tmp_path: Path) -> None:
    """A speaker announces the next hops of its rack alone, all of them, though one node in five has a speaker."""
    with wired(wire, tmp_path, Plan(rack_as=True)) as it:
        there_and_back(it, 8, 8)


def test_routers_of_two_makes(wire: Lab, tmp_path: Path) -> None:
    """Half of the leaves are BIRD."""
    with wired(wire, tmp_path, Plan(size=4, birds=frozenset({2, 4}))) as it:
        there_and_back(it, 8, 8)

"""What optimize predicts and apply does, read from real routers with real speakers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.plan import Plan
from tests.lab.wired import Wired, wired

pytestmark = [pytest.mark.lab, pytest.mark.routers, pytest.mark.wire]


def moved(it: Wired, sessions: int, speakers: int, *options: str | Path) -> None:
    """Optimize and apply; the numbers are those of sessions and speakers that are left."""
    it.began = time.monotonic()
    it.optimize(*options)
    assert (sum(map(len, it.wanted().values())), len(it.chosen())) == (sessions, speakers)
    it.apply("--rollback-file", it.folder / f"{sessions}-{speakers}.json")
    it.as_predicted()


def test_forty_nodes_under_one_leaf_and_under_two(wire: Lab, tmp_path: Path) -> None:
    """160 sessions at first, of forty speakers with four leaves each.

    A leaf wants two. Under its own leaf alone a speaker serves one of them, so there are eight. Each rack is under two
    leaves, so that four are enough. Where each leaf is to have three, of chosen nodes, six are.
    """
    with wired(wire, tmp_path, Plan(dual=True)) as it:
        moved(it, 8, 8, "--topology", it.plan_of.topology(tmp_path, own=True))
        moved(it, 8, 4, "--topology", it.topology)
        moved(it, 12, 6, "--topology", it.topology, "--peering", "selected", "--speakers-per-router", "3")


def test_forty_nodes_with_an_as_for_each_rack(wire: Lab, tmp_path: Path) -> None:
    """A speaker announces the next hops of its rack alone, all of them, though one node in five has a speaker."""
    with wired(wire, tmp_path, Plan(rack_as=True)) as it:
        moved(it, 8, 8, "--topology", it.topology)


def test_there_and_back_with_routers_of_two_makes(wire: Lab, tmp_path: Path) -> None:
    """One leaf is FRR, the other BIRD; what was taken back is as it was, field by field and session by session."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4, birds=frozenset({2}))) as it:
        start = it.snapshot()
        it.optimize("--topology", it.topology)
        it.apply()
        it.as_predicted()
        it.rollback()
        it.is_back(start)
        it.never_dark()

"""What a placement promises holds on the wire: speakers, nodes and zones fail, nodes are drained, leaves are full."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.lab.moves import Move, sentence
from tests.lab.network import leaf_address, leaf_name
from tests.lab.objects import NODES
from tests.lab.plan import Plan
from tests.lab.wired import Wired, wired

pytestmark = [pytest.mark.lab, pytest.mark.routers, pytest.mark.wire]

HOLD = 9.0
"""The routers' hold time: seconds in which a silent neighbour is noticed."""


def placed(it: Wired, *options: str) -> list[str]:
    """Optimize and apply; the chosen nodes."""
    chosen = it.optimize("--topology", it.topology, *options)
    it.apply()
    it.as_predicted()
    it.began = time.monotonic()
    return chosen


def told(it: Wired, address: str) -> set[str]:
    """The nodes that have told a leaf of the service."""
    return {node for node, _ in it.works.paths(address)}


def survivors(it: Wired, lost: set[str]) -> dict[str, frozenset[str]]:
    """The placement's sessions without those of lost nodes."""
    return {address: names - lost for address, names in it.wanted().items()}


def test_a_speaker_is_killed(wire: Lab, tmp_path: Path) -> None:
    """Its sessions and its paths are gone, nobody else's are; it comes back by itself."""
    with wired(wire, tmp_path, Plan(leaves=2, size=3)) as it:
        first = placed(it)[0]
        left = survivors(it, {first})
        it.works.kubelets.kill(first)
        lost = leaf_address(1)
        # Seen by the probe, since it is back within a second or two.
        it.lab.eventually("the leaf knows", lambda: it.works.history.lowest(lost, it.began) == len(left[lost]))
        it.lab.eventually("it is back", lambda: it.works.sessions() == it.wanted())
        it.lab.eventually("its paths too", lambda: told(it, lost) == it.wanted()[lost])
        it.never_dark()
        paths = {each.paths for each in it.works.samples(it.began)[leaf_name(1)] if each.nodes == left[lost]}
        assert min(paths) < 2 * len(it.plan_of.uplinks())


def test_a_node_is_lost_and_another_is_chosen(wire: Lab, tmp_path: Path) -> None:
    """A node that falls silent is noticed within the hold time; each of its leaves keeps the other session."""
    with wired(wire, tmp_path, Plan(leaves=2, size=3, dual=True)) as it:
        first = placed(it)[0]
        it.works.power_off([first])
        left = survivors(it, {first})
        it.lab.eventually("the leaves know", lambda: it.works.sessions() == left, HOLD + 5)
        assert min(map(len, left.values())) == 1
        lost(it, first)
        assert first not in it.optimize("--topology", it.topology)
        it.settle(left)
        it.least = 1
        it.apply("--rollback-file", tmp_path / "second.json")
        it.lab.eventually("two each again", lambda: it.works.sessions() == it.wanted())
        assert {len(names) for names in it.works.sessions().values()} == {2}
        it.kept()
        it.never_dark()


def lost(it: Move, node: str) -> None:
    """What the control plane makes of a node that is silent for long: not Ready, tainted, its pod evicted."""
    conditions = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    it.lab.client.patch(f"{NODES}/{node}/status", {"status": {"conditions": conditions}})
    it.lab.eventually("it has the taint", lambda: it.node(node)["spec"].get("taints"))


def test_a_zone_is_lost(wire: Lab, tmp_path: Path) -> None:
    """Asked to survive a zone, every leaf keeps a session and the service when it fails as a whole."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4)) as it:
        placed(it, "--survive", "zone")
        zone = {name for name in it.plan_of.uplinks() if int(name[-1]) % 2}
        left = survivors(it, zone)
        assert min(map(len, left.values())) >= 1
        it.works.power_off(zone)
        it.lab.eventually("the leaves know", lambda: it.works.sessions() == left, HOLD + 5)
        it.lab.eventually("the paths go", lambda: all(told(it, address) == left[address] for address in left))
        it.never_dark()


def test_a_zone_is_lost_that_nobody_asked_for(wire: Lab, tmp_path: Path) -> None:
    """Without --survive the same zone may hold both speakers of a leaf, which then has no path: the rule is needed."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4)) as it:
        odd = [part for name in it.plan_of.uplinks() if not int(name[-1]) % 2 for part in ("--ban", name)]
        placed(it, *odd)
        it.works.power_off(name for name in it.plan_of.uplinks() if int(name[-1]) % 2)
        it.lab.eventually("no leaf has a session", lambda: not it.works.sessions(), HOLD + 5)
        it.lab.eventually("no leaf has a path", lambda: not any(it.works.hops().values()))


def test_a_chosen_node_is_drained(wire: Lab, tmp_path: Path) -> None:
    """Cordoned, another takes over before its speaker leaves."""
    with wired(wire, tmp_path, Plan(leaves=2, size=3)) as it:
        first = placed(it)[0]
        it.lab.client.patch(f"{NODES}/{first}", {"spec": {"unschedulable": True}})
        it.settle(it.wanted())
        assert first not in it.optimize("--topology", it.topology)
        it.apply("--rollback-file", tmp_path / "second.json")
        it.as_predicted()


CHOSEN = frozenset(f"r{rack}-n{node}" for rack in (1, 2) for node in (1, 2))


def test_a_leaf_with_room_for_one_more(wire: Lab, tmp_path: Path) -> None:
    """One session more than two: old and new fit together, and no session is ever refused or missed."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4, limits={1: 3}, chosen=CHOSEN)) as it:
        it.optimize("--topology", it.topology, "--ban", "r1-n1")
        it.apply()
        it.as_predicted()
        assert max(each.total for each in it.works.history.of(leaf_address(1)) if each.time > it.began) <= 3


def test_a_leaf_at_its_limit(wire: Lab, tmp_path: Path) -> None:
    """The leaf refuses a third session, so the old one has to go first; that is done only where it is allowed."""
    with wired(wire, tmp_path, Plan(leaves=2, size=4, limits={1: 2}, chosen=CHOSEN)) as it:
        start, full = it.snapshot(), leaf_address(1)
        it.optimize("--topology", it.topology, "--ban", "r1-n1", "--ban", "r1-n2", "--allow-break")
        assert "leaf-1" in sentence(it.apply(code=1))
        assert it.snapshot() == start
        it.least = 1
        it.apply("--allow-break")
        it.lab.eventually("all is there", lambda: it.works.sessions() == it.wanted())
        assert it.works.history.lowest(full, it.began) == 1
        it.kept()
        it.never_dark()

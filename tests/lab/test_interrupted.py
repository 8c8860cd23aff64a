"""apply and rollback cut short at every one of their writes, and begun again: nothing is lost, and they end as ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.lab.cluster import Lab
from tests.lab.moves import BIRTH, LEAVES, Scene, all_of, ended, labelled, leaves, rack_address, racks, scene, sentence
from tests.lab.objects import peer
from tests.lab.proxy import At, KillAt
from tests.lab.warm import Running

pytestmark = pytest.mark.lab

KILLED, MOST = -9, 40


def killed(it: Scene, start: Callable[[], Running], number: int, late: bool) -> bool:
    """Start a command and kill it at the n-th write, before that gets to the server, or `late`: when it is carried out
    and its answer is unheard. False if the command has ended before that, as it should."""
    it.proxy.forget()
    running: list[Running] = []
    it.proxy.rule = rule = KillAt(number, lambda: running[0].kill(), late)
    running.append(start())
    result = running[0].wait()
    assert result.code == (KILLED if rule.done else 0), result
    assert "Traceback" not in result.err
    it.kept()
    it.proxy.forget()
    return rule.done


def test_apply_killed_after_each_write_and_begun_again(lab: Lab, tmp_path: Path) -> None:
    """And the same with the way back, which leads to the start for the next; at first, killed before all writes."""
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        start = it.snapshot()
        it.optimize()
        number, cut = 0, True
        while cut and number < MOST:
            cut = killed(it, it.start_apply, max(1, number), late=number > 0)
            it.apply()
            it.arrived()
            cut = killed(it, it.start_rollback, max(1, number), late=number > 0) or cut
            it.rollback()
            it.is_back(start)
            it.way_back.unlink()
            number += 1
        assert 8 < number < MOST


def test_apply_killed_before_each_write_and_taken_back(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        start = it.snapshot()
        it.optimize()
        number, cut = 0, True
        while cut and number < MOST:
            number += 1
            cut = killed(it, it.start_apply, number, late=False)
            it.rollback()
            it.is_back(start)
            it.way_back.unlink()
        assert 8 < number < MOST


def test_killed_again_and_again_after_its_first_write(lab: Lab, tmp_path: Path) -> None:
    """Each start plans from what the one before has left, and the way back is that of all of them."""
    with scene(lab, tmp_path, racks(2, 3), all_of(2, 3)) as it:
        start = it.snapshot()
        it.optimize()
        again_and_again(it)
        it.is_back(start)


def test_killed_again_and_again_where_everything_is_changed(lab: Lab, tmp_path: Path) -> None:
    """Selectors, a BgpPeer too many, labels, the template, taints."""
    objects, sessions, topology = leaves(tmp_path)
    twin = peer("twin", LEAVES["leaf-b"], {"matchLabels": {"example.com/leaf-b": "yes"}})
    with scene(lab, tmp_path, [*objects, twin], sessions) as it:
        start = it.snapshot()
        pins = [part for name in ("r1-n1", "r1-n3", "r1-n4") for part in ("--pin", name)]
        it.optimize("--topology", topology, "--peering", "selected", *pins)
        again_and_again(it, "--style", "taints")
        it.is_back(start, loose=BIRTH)


def test_killed_again_and_again_where_a_limit_asks_for_a_break(lab: Lab, tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    limited = {"name": "leaf-r1", "address": rack_address(1), "maxSessions": 2}
    topology.write_bytes(msgspec.json.encode({"routers": [limited]}))
    objects = labelled(racks(1, 4), "r1-n1", "r1-n2")
    sessions = {rack_address(1): {"r1-n1", "r1-n2"}}
    with scene(lab, tmp_path, objects, sessions, limits={rack_address(1): 2}) as it:
        start = it.snapshot()
        it.optimize("--topology", topology, "--ban", "r1-n1", "--ban", "r1-n2", "--allow-break")
        it.least = 1
        again_and_again(it, "--allow-break", least=3)
        it.is_back(start)


def again_and_again(it: Scene, *options: str, least: int = 8) -> None:
    """Apply, killed after the first write of each start, until all is done in `least` writes or more; roll back."""
    number = 0
    while killed(it, lambda: it.start_apply(*options), 1, late=True):
        number += 1
        assert number < MOST
    assert number >= least
    it.arrived()
    it.rollback()


def test_a_cut_labels_only_move_goes_on(lab: Lab, tmp_path: Path) -> None:
    objects = labelled(racks(1, 4), "r1-n1", "r1-n2")
    with scene(lab, tmp_path, objects, {rack_address(1): {"r1-n1", "r1-n2"}}) as it:
        start = it.snapshot()
        it.optimize("--ban", "r1-n1")
        for number, late in ((1, False), (1, True), (2, False), (2, True)):
            assert killed(it, it.start_apply, number, late)
            it.apply()
            it.arrived()
            assert killed(it, it.start_rollback, number, late)
            it.rollback()
            it.is_back(start)


def test_ctrl_c(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        start = it.snapshot()
        it.optimize()
        for number in (2, 3):
            interrupted(it, it.start_apply, number)
        it.apply()
        it.arrived()
        for number in (2, 3):
            interrupted(it, it.start_rollback, number)
        it.rollback()
        it.is_back(start)


def interrupted(it: Scene, start: Callable[[], Running], number: int) -> None:
    """Start a command and press Ctrl-C at the n-th write; it says where it stands."""
    told = pressed(it, start, KillAt(number, lambda: None, late=True))
    assert "interrupted at step" in told
    assert "in a safe state" in told


def pressed(it: Scene, start: Callable[[], Running], rule: At) -> str:
    """What a command says when Ctrl-C is pressed as the rule has it."""
    it.proxy.forget()
    running: list[Running] = []
    rule.act = lambda: running[0].interrupt()
    it.proxy.rule = rule
    running.append(start())
    told = sentence(ended(running[0], 1))
    it.kept()
    it.proxy.forget()
    return told


def test_ctrl_c_while_reading(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        start = it.snapshot()
        it.optimize()
        told = pressed(it, it.start_apply, At(lambda request: request.kind == "bgpconfs", lambda: None))
        assert told == "bgp-speakers: interrupted, nothing was changed"
        assert it.snapshot() == start
        it.apply()
        told = pressed(it, it.start_rollback, At(lambda request: request.kind == "bgpconfs", lambda: None))
        assert "interrupted, in a safe state; rollback" in told
        it.rollback()
        it.is_back(start)

"""Speakers that leave their time in the BgpConf start one after another; others are not held up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import pytest

from optimizer.errors import ForeignError
from optimizer.kube.changes import Change, Label, Patch
from optimizer.kube.client import Api, connect
from optimizer.rollout.goal import Goal
from optimizer.rollout.runner import Runner
from optimizer.rollout.waiting import Pace
from optimizer.rollout.watch import Target, Watch
from optimizer.rollout.writer import Writer
from optimizer.speakers import product_named
from optimizer.speakers.openelb import turns
from optimizer.speakers.openelb.turns import PATIENCE, STAMP, Turns
from tests.live_server import Server, kubeconfig, serving
from tests.objects import SPEAKER, SYSTEM, Object, conf, speaker_pod

LABELS = {"app": "openelb", "component": "speaker"}


def stamped(stamp: str | None, name: str = "default") -> Object:
    """A BgpConf with the time of the speaker that got through last."""
    made = conf(name)
    if stamp is not None:
        made["metadata"]["annotations"] = {STAMP: stamp}
    return made


def later(act: Callable[[], object], seconds: float = 0.1) -> None:
    threading.Timer(seconds, act).start()


def test_the_next_one_waits_until_the_one_before_has_got_through(server: Server, api: Api) -> None:
    server.objects = [stamped("1"), stamped("7", "other")]
    order: list[object] = []

    def through(number: int) -> None:
        order.append(f"through {number}")
        server.objects[0] = stamped(str(number))

    def start(number: int) -> int:
        order.append(f"start {number}")
        later(lambda: through(number))
        return number

    it = Turns(api, 0.01, order.append)
    assert [it.take(f"n{number}", partial(start, number)) for number in (2, 3)] == [2, 3]
    assert order == ["start 2", "through 2", "start 3", "through 3"]


@pytest.mark.parametrize("objects", [[], [conf()], [stamped(None)], [stamped("")], [stamped("1", "other")]])
def test_where_nobody_leaves_a_time_nobody_waits(server: Server, api: Api, objects: list[Object]) -> None:
    server.objects = objects
    told: list[object] = []
    it, began = Turns(api, 0.01, told.append), time.monotonic()
    assert it.take("n1", lambda: 1) == 1
    assert time.monotonic() - began < turns.LONGEST
    assert told == []


def test_a_cluster_without_openelb(tmp_path: Path) -> None:
    with serving(Server(openelb=False)) as server:
        api = connect(kubeconfig(tmp_path, server.address))
        assert Turns(api, 0.01, print).stamp() == ""
        api.close()


def test_one_that_does_not_get_through_holds_the_others_up_for_a_while_only(
    server: Server, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST", 0.05)
    server.objects = [stamped("1")]
    lines: list[object] = []
    it = Turns(api, 0.01, lines.append)
    for number in range(PATIENCE + 1):
        it.take(f"n{number}", lambda: True)
    assert len(lines) == PATIENCE
    assert "the speaker on n0 has not taken its settings from the BgpConf" in str(lines[0])
    asked = len(server.requests)
    it.take("n9", lambda: True)
    assert len(server.requests) == asked


def test_what_started_nothing_is_not_waited_for(server: Server, api: Api) -> None:
    server.objects = [stamped("1")]
    began = time.monotonic()
    assert Turns(api, 0.01, print).take("n1", lambda: 0) == 0
    assert time.monotonic() - began < turns.LONGEST


# Labels that start speakers


class Labels(Writer):
    """Changes of labels that are written down; `foreign` are the nodes that somebody else has changed."""

    def __init__(self, api: Api, foreign: Collection[str], act: Callable[[], None]) -> None:
        super().__init__(api, product_named(""), ("key", "value"), {})
        self.made: list[tuple[str, ...]] = []
        self.foreign, self.act = frozenset(foreign), act

    def make(self, change: Change, later: Sequence[Patch] = ()) -> int:  # noqa: ARG002
        """Write it down, and let the speaker leave its time."""
        assert isinstance(change, Label)
        if found := self.foreign.intersection(change.nodes):
            raise ForeignError("Node", f"node {min(found)}: theirs")
        self.made.append(change.nodes)
        self.act()
        return len(change.nodes)


def label(server: Server, api: Api, *foreign: str, bgp: bool = True) -> Labels:
    """Labels n1 to n5: a speaker runs on n1, one ends on n2, n3 is not Ready."""
    pods = [speaker_pod("n1", labels=LABELS), speaker_pod("n2", labels=LABELS, deleted=True)]
    server.objects = [stamped("1"), *pods]

    def through() -> None:
        server.objects[0] = stamped(f"{time.monotonic()}")

    changes = Labels(api, foreign, through)
    target = Target(SYSTEM, SPEAKER, "1", "app=openelb,component=speaker")
    watch = Watch(api, target, product_named(""), bgp)
    runner = Runner(watch, changes, Pace(1, 0.01), lambda what: None, frozenset({"n3"}))
    change = Label("key", "value", ("n1", "n2", "n3", "n4", "n5"))
    if foreign:
        with pytest.raises(ForeignError, match=rf"^node {foreign[0]}: theirs( \(and 1 more node\))?$"):
            runner.make(change, Goal(frozenset(), frozenset()), starts=True)
    else:
        assert runner.make(change, Goal(frozenset(), frozenset()), starts=True) == 5
    return changes


def test_only_nodes_where_a_speaker_will_start_take_turns(server: Server, api: Api) -> None:
    assert label(server, api).made == [("n1", "n2", "n3"), ("n4",), ("n5",)]


def test_all_are_labelled_at_once_where_nobody_speaks_bgp(server: Server, api: Api) -> None:
    assert label(server, api, bgp=False).made == [("n1", "n2", "n3", "n4", "n5")]


@pytest.mark.parametrize(
    ("foreign", "made"),
    [(["n4"], [("n1", "n2", "n3"), ("n5",)]), (["n1", "n4"], [("n5",)]), (["n4", "n5"], [("n1", "n2", "n3")])],
)
def test_a_node_that_somebody_has_changed_keeps_no_other_from_its_label(
    server: Server, api: Api, foreign: list[str], made: list[tuple[str, ...]]
) -> None:
    assert label(server, api, *foreign).made == made

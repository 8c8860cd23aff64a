"""Speakers that leave their time in the BgpConf start one after another; others are not held up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from optimizer import turns
from optimizer.live import Api, connect
from optimizer.turns import PATIENCE, STAMP, Turns

from .live_server import Server, kubeconfig, serving
from .objects import Object, conf


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as found:
        yield found


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[Api]:
    found = connect(kubeconfig(tmp_path, server.address))
    yield found
    found.close()


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
        it.take(f"n{number}", lambda: None)
    assert len(lines) == PATIENCE
    assert "the speaker on n0 has not taken its settings from the BgpConf" in str(lines[0])
    asked = len(server.requests)
    it.take("n9", lambda: None)
    assert len(server.requests) == asked

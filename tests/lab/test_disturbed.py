"""apply and rollback while the server fails, while others change what is being moved, and where nothing comes up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.moves import (
    DAEMONSETS,
    LABEL,
    Scene,
    all_of,
    in_rack,
    labelled,
    leaves,
    rack_address,
    racks,
    scene,
    sentence,
)
from tests.lab.objects import NODES, OS, PODS, SPEAKER, daemonset, nodes, peer
from tests.lab.proxy import At, Flaky, Request

pytestmark = pytest.mark.lab

ONE = rack_address(1)
HAND = "kubectl-edit"


def restart_of_a_speaker(request: Request) -> bool:
    return request.method == "DELETE" and request.kind == "pods"


def nth(number: int, which: Callable[[Request], bool]) -> Callable[[Request], bool]:
    """True from the n-th such request on."""
    seen: list[Request] = []

    def is_it(request: Request) -> bool:
        if which(request):
            seen.append(request)
        return len(seen) >= number

    return is_it


def mid_apply(it: Scene, act: Callable[[], object], number: int = 1) -> At:
    """Have something happen once the n-th speaker has been restarted."""
    it.proxy.rule = rule = At(nth(number, restart_of_a_speaker), act, late=True)
    return rule


def test_the_api_server_is_away_for_some_time(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(2, 3), all_of(2, 3)) as it:
        start = it.snapshot()
        it.optimize()
        for command in (it.apply, it.rollback):
            back = threading.Thread(target=lab.start_api_server)

            def outage(back: threading.Thread = back) -> None:
                lab.stop_api_server()
                back.start()

            rule = mid_apply(it, outage)
            told = command().err
            back.join()
            assert rule.done
            assert "trying again in" in told
            it.kept()
        it.is_back(start)


def test_a_server_that_fails_in_every_way(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 4), all_of(1, 4)) as it:
        start = it.snapshot()
        it.optimize()
        it.proxy.page = 2
        it.proxy.rule = there = Flaky(1)
        it.apply()
        it.arrived()
        it.proxy.rule = back = Flaky(2)
        it.rollback()
        it.is_back(start)
        for rule in (there, back):
            assert {"410", "answer lost after a write"} <= rule.failed.keys()
        assert len(there.failed | back.failed) > 5


def test_a_label_changed_by_hand(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 5), all_of(1, 5)) as it:
        leaving = min({f"r1-n{number}" for number in range(1, 6)}.difference(it.optimize()))
        mine = {"metadata": {"labels": {LABEL: "mine"}}}
        rule = mid_apply(it, lambda: it.by_hand(f"{NODES}/{leaving}", mine, HAND))
        told = sentence(it.apply(code=1))
        assert rule.done
        assert f"node {leaving}: the label {LABEL} is 'mine' by now, set by {HAND}; left unchanged" in told
        assert "in a safe state" in told
        it.kept()
        it.apply()
        it.arrived()
        told = sentence(it.rollback(code=1))
        assert "all but 1 changes were rolled back" in told
        assert f"node {leaving}" in told
        it.kept()
        assert it.node(leaving)["metadata"]["labels"][LABEL] == "mine"


def test_a_selector_changed_by_hand(lab: Lab, tmp_path: Path) -> None:
    objects, sessions, topology = leaves(tmp_path)
    with scene(lab, tmp_path, objects, sessions) as it:
        pins = [part for name in ("r1-n1", "r1-n3", "r1-n4") for part in ("--pin", name)]
        it.optimize("--topology", topology, "--peering", "selected", *pins)
        selector = {"nodeSelector": {"matchLabels": {"example.com/leaf-a": "yes", OS: "linux"}}}
        mid_apply(it, lambda: it.by_hand(f"{PEERS}/leaf-a", {"spec": selector}, HAND))
        told = sentence(it.apply(code=1))
        assert "BgpPeer leaf-a: spec.nodeSelector is not what it was when the plan was made" in told
        assert f"set by {HAND}; left unchanged" in told
        assert it.peer("leaf-a")["spec"]["nodeSelector"] == selector["nodeSelector"]
        it.kept()
        # Asked for once more, it plans with what is there now.
        it.apply()
        it.arrived()


@pytest.mark.parametrize("style", ["node-selector", "taints"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_template_changed_by_hand(lab: Lab, tmp_path: Path, style: str, number: int) -> None:
    """Before it is edited, between two restarts, and after the last one."""
    with scene(lab, tmp_path, racks(1, 4), all_of(1, 4)) as it:
        it.optimize()
        theirs = {"key": "example.com/theirs", "operator": "Exists"}
        template = {"spec": {"template": {"spec": {"tolerations": [theirs]}}}}

        def act() -> None:
            if number:
                known = it.daemonset()["spec"]["template"]["spec"].get("tolerations", [])
                template["spec"]["template"]["spec"]["tolerations"] = [*known, theirs]
            it.by_hand(f"{DAEMONSETS}/{SPEAKER}", template, HAND)

        rule = mid_apply(it, act, number)
        if not number:
            it.proxy.rule = rule = At(lambda request: request.kind == "nodes" and request.writes, act)
        it.apply("--style", style)
        assert rule.done
        assert theirs in it.daemonset()["spec"]["template"]["spec"]["tolerations"]
        it.arrived()
        it.nothing_to_change("--style", style)


def gone(it: Scene, name: str) -> None:
    it.lab.client.delete(f"{NODES}/{name}")


def closed(it: Scene, name: str) -> None:
    it.by_hand(f"{NODES}/{name}", {"spec": {"unschedulable": True}})


@pytest.mark.parametrize("change", [gone, closed])
def test_a_chosen_node_is_lost(lab: Lab, tmp_path: Path, change: Any) -> None:
    with scene(lab, tmp_path, racks(1, 4), all_of(1, 4)) as it:
        name = it.optimize()[-1]
        mid_apply(it, lambda: change(it, name))
        told = sentence(it.apply(code=1))
        assert name in told
        assert "in a safe state" in told
        it.kept()
        it.proxy.forget()
        # What is asked for anew leads out of it.
        assert name not in it.optimize()
        if change is gone:
            # As the garbage collector does within a minute.
            it.lab.client.delete(f"{PODS}/{it.pods()[name]['metadata']['name']}", gracePeriodSeconds=0)
        it.apply("--rollback-file", tmp_path / "second.json")
        it.kept()
        assert it.wanted().items() <= it.works.sessions().items()


@pytest.mark.parametrize("onwards", [True, False], ids=["goes on", "rollback"])
@pytest.mark.parametrize("obstacle", ["never ready", "no session"])
def test_a_new_speaker_that_does_not_come_up(lab: Lab, tmp_path: Path, obstacle: str, onwards: bool) -> None:
    objects = labelled(racks(1, 4), "r1-n1", "r1-n2")
    with scene(lab, tmp_path, objects, {ONE: {"r1-n1", "r1-n2"}}) as it:
        start = it.snapshot()
        (new,) = set(it.optimize("--ban", "r1-n1")) - {"r1-n2"}
        if obstacle == "no session":
            it.works.silent.add(new)
        else:
            lab.kubelets(never_ready=[new])
        told = sentence(it.apply("--timeout", "3", code=1))
        assert "after 3 s, and" in told
        assert "still missing after" in told
        assert f"the session {new} - leaf-r1" in told
        assert ("the speaker on" in told) == (obstacle == "never ready")
        assert it.works.sessions() == {ONE: {"r1-n1", "r1-n2"}}
        it.kept()
        if onwards:
            it.works.silent.clear()
            lab.plain_kubelets()
            it.apply()
            it.arrived()
            it.nothing_to_change()
        else:
            it.rollback()
            it.is_back(start)


def test_a_restarted_speaker_that_does_not_come_up_again(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 4), all_of(1, 4)) as it:
        start = it.snapshot()
        first = min(it.optimize())
        it.works.silent.add(first)
        told = sentence(it.apply("--timeout", "3", code=1))
        assert f"the session {first} - leaf-r1" in told
        assert it.works.sessions() == {ONE: {f"r1-n{number}" for number in (1, 2, 3, 4)} - {first}}
        it.kept()
        # The way back restarts nobody without knowing that enough are left; its own end waits for all.
        told = sentence(it.rollback("--timeout", "3", code=1))
        assert f"the session {first} - leaf-r1" in told
        it.kept()
        it.works.silent.clear()
        it.rollback()
        it.is_back(start)


def test_a_session_that_says_it_is_up_from_before_the_restart(lab: Lab, tmp_path: Path) -> None:
    """Reports outlive the speaker that wrote them: none is taken for that of the next."""
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3), delay=1.5) as it:
        it.optimize()
        it.apply()
        it.arrived()


def test_a_bgppeer_that_somebody_else_adds_on_the_way(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        it.optimize()
        spec = {"conf": {"neighborAddress": "192.168.9.1", "peerAs": 65009}, "nodeSelector": in_rack(1)}
        added = {"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer", "metadata": {"name": "theirs"}}
        mid_apply(it, lambda: it.lab.client.create({**added, "spec": spec}))
        told = sentence(it.apply(code=1))
        assert "theirs" in told
        assert "in a safe state" in told
        it.kept()
        assert it.peer("theirs")["spec"] == msgspec.json.decode(msgspec.json.encode(spec))


def test_a_way_back_without_a_session_to_spare(lab: Lab, tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    router = {"name": "leaf-r1", "address": ONE, "nodes": {"selector": in_rack(1)}}
    topology.write_bytes(msgspec.json.encode({"routers": [router]}))
    listed = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["r1-n1", "r1-n2"]}]}
    objects = [*nodes(1, 3), daemonset(), peer("leaf-r1", ONE, listed)]
    with scene(lab, tmp_path, objects, {ONE: {"r1-n1", "r1-n2"}}) as it:
        start = it.snapshot()
        it.optimize("--topology", topology, "--ban", "r1-n1")
        it.apply()
        it.arrived()
        # Once the old ones are back, the new one is lost: the template's way back would leave the router one.
        it.works.silent.add("r1-n3")
        relabelled = At(
            lambda request: request.kind == "nodes" and request.writes, lambda: lose(it, "r1-n3"), late=True
        )
        it.proxy.rule = relabelled
        it.lab.eventually("all are told", lambda: it.told() == it.works.sessions())
        told = sentence(it.rollback("--timeout", "3", code=1))
        assert relabelled.done
        assert "a session of leaf-r1 to spare" in told
        it.kept()
        it.works.silent.clear()
        it.rollback()
        it.is_back(start)


def lose(it: Scene, name: str) -> None:
    """Wait until the router has all three, and end this one's."""
    it.lab.eventually("all three are up", lambda: len(it.works.sessions()[ONE]) == 3)
    it.lab.client.delete(f"{PODS}/{it.pods()[name]['metadata']['name']}")

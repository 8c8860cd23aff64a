"""apply and rollback where others work on the same objects, or where the cluster tells late: nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.lab.client import Object
from tests.lab.cluster import Lab
from tests.lab.crds import PEERS
from tests.lab.lag import late_controllers
from tests.lab.moves import (
    BIRTH,
    DAEMONSETS,
    LABEL,
    Scene,
    all_of,
    in_rack,
    labelled,
    ours,
    rack_address,
    racks,
    scene,
    sentence,
)
from tests.lab.objects import NODES, OS, SPEAKER, daemonset, nodes, peer
from tests.lab.proxy import LOST, Answer, At, Request, Rule
from tests.lab.warm import Ended, Running

pytestmark = pytest.mark.lab

HAND, DAEMONSET = "kubectl-edit", f"{DAEMONSETS}/{SPEAKER}"
ONE = rack_address(1)
A, B = "10.0.0.1", "10.0.0.2"
FIRST, SECOND = ("r1-n1", "r1-n2"), ("r1-n3", "r1-n4")
SIDE = {"matchLabels": {"example.com/side": "a"}}
KILLED = -9


# The template


@pytest.mark.parametrize("style", ["taints", "affinity"])
def test_the_way_back_of_a_template_that_somebody_has_changed(lab: Lab, tmp_path: Path, style: str) -> None:
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        start = it.snapshot()
        it.optimize()
        it.apply("--style", style)
        it.arrived()
        before = it.daemonset()["spec"]["template"]["spec"]
        field, change = ("tolerations", theirs_too) if style == "taints" else ("affinity", linux_too)
        theirs = change(before[field])
        it.by_hand(DAEMONSET, pod_spec({field: theirs}), HAND)
        all_new(it)
        it.settle(it.wanted())
        kept = {each["metadata"]["name"] for each in lab.client.items(NODES) if ours(each)}
        told = sentence(it.rollback(code=1))
        assert "(daemonset)" in told
        assert f"set by {HAND}" in told
        assert "in a safe state" in told
        assert it.daemonset()["spec"]["template"]["spec"][field] == theirs
        assert kept <= {each["metadata"]["name"] for each in lab.client.items(NODES) if ours(each)}
        time.sleep(0.5)
        it.kept()
        assert kept <= it.works.running()
        it.by_hand(DAEMONSET, pod_spec({field: before[field]}), HAND)
        it.rollback()
        it.kept()
        it.settle(all_of(2, 4))
        it.is_back(start)


def theirs_too(tolerations: Any) -> Any:
    """One toleration more."""
    return [*tolerations, {"key": "example.com/theirs", "operator": "Exists"}]


def linux_too(affinity: Any) -> Any:
    """The same with one expression more, which holds everywhere."""
    found = deepcopy(affinity)
    terms = found["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    for each in terms:
        linux = {"key": OS, "operator": "In", "values": ["linux"]}
        each["matchExpressions"] = [*each.get("matchExpressions", ()), linux]
    return found


def pod_spec(fields: Object) -> Object:
    """The patch of fields of the template's pod."""
    return {"spec": {"template": {"spec": fields}}}


def all_new(it: Scene) -> None:
    """Wait until the DaemonSet has restarted all of its speakers."""

    def is_so() -> bool:
        found = it.daemonset()
        status, number = found["status"], found["status"]["desiredNumberScheduled"]
        return bool(
            status["observedGeneration"] == found["metadata"]["generation"]
            and status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0) == number
        )

    it.lab.eventually("all speakers have the new template", is_so)


def test_the_controller_hears_of_nodes_late(lab: Lab, tmp_path: Path) -> None:
    """It would stop the speakers on all nodes whose labels it has not seen when it sees the template."""
    with late_controllers(lab, tmp_path, NODES, 1.0), scene(lab, tmp_path, racks(3, 4), all_of(3, 4)) as it:
        start = it.snapshot()
        it.optimize()
        it.apply("--interval", "0.5")
        it.arrived()
        it.rollback("--interval", "0.5")
        it.is_back(start)


def daemonset_write(number: int) -> Callable[[Request], bool]:
    """True of the n-th request that changes a DaemonSet: it is held, edited, let go."""
    seen: list[Request] = []

    def is_it(request: Request) -> bool:
        if request.kind != "daemonsets" or not request.writes:
            return False
        seen.append(request)
        return len(seen) == number

    return is_it


def test_a_daemonset_that_is_let_go_before_its_template_is_edited(lab: Lab, tmp_path: Path) -> None:
    """It would restart speakers as fast as they get Ready, which says nothing of their sessions."""
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        start = it.snapshot()
        own = start[f"DaemonSet {SPEAKER}"]["spec"]["updateStrategy"]
        it.optimize()
        it.works.delay = 1.0
        template = it.daemonset()["spec"]["template"]
        seen: list[Object] = []

        class Released(At):
            """Lets it go before the edit, and looks at what has come of that."""

            def after(self, request: Request, answer: Answer) -> Answer:
                del request
                if self.done and not seen:
                    seen.append(it.daemonset()["spec"]["template"])
                return answer

        let_go = {"spec": {"updateStrategy": own}}
        it.proxy.rule = rule = Released(daemonset_write(2), lambda: it.by_hand(DAEMONSET, let_go, HAND))
        assert "planning again" in it.apply().err
        assert rule.done
        assert seen == [template]
        it.arrived()
        assert it.daemonset()["spec"]["updateStrategy"] == own


class Cut(Rule):
    """Kills at a request, which gets nowhere."""

    def __init__(self, when: Callable[[Request], bool], kill: Callable[[], object]) -> None:
        self._when, self._kill = when, kill

    def before(self, request: Request) -> Answer | None:
        """Nothing more, from then on."""
        if not self._when(request):
            return None
        self._kill()
        return LOST


def cut_apply(it: Scene, when: Callable[[Request], bool]) -> None:
    """Start to apply and kill that at a request."""
    running: list[Running] = []
    it.proxy.rule = Cut(when, lambda: running[0].kill())
    running.append(it.start_apply())
    assert running[0].wait().code == KILLED
    it.proxy.forget()


def test_a_rollout_restart_before_a_move_that_was_cut_goes_on(lab: Lab, tmp_path: Path) -> None:
    """Nobody has been asked whether the speakers that are left may restart: they have none beside them any more."""
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        it.optimize()
        cut_apply(it, daemonset_write(3))
        assert set(it.works.running()) == set(it.chosen())
        stamp = {"kubectl.kubernetes.io/restartedAt": "2024-05-01T10:00:00Z"}
        it.by_hand(DAEMONSET, {"spec": {"template": {"metadata": {"annotations": stamp}}}}, "kubectl-rollout")
        it.lab.eventually("all are told", lambda: it.told() == it.works.sessions())
        there = it.snapshot()
        told = sentence(it.apply(code=1))
        assert "router leaf-r1 has no session to spare" in told
        assert (it.proxy.writes, it.snapshot()) == ([], there)
        it.kept()
        it.least = 1
        it.apply("--allow-break")
        it.arrived()
        assert it.daemonset()["spec"]["template"]["metadata"]["annotations"] == stamp


# BgpPeers


def leaves_of_all(folder: Path, selector: Object | None = None) -> tuple[list[Object], dict[str, set[str]], Path]:
    """Four speakers under two leaves, by the label that is used by default; the sessions of all, the topology."""
    made = nodes(1, 4, labels={LABEL: "true", "example.com/side": "a"})
    given = SIDE if selector is None else selector
    leaves = {"leaf-a": A, "leaf-b": B}
    objects = [*made, daemonset({LABEL: "true"}), *(peer(name, leaves[name], given) for name in leaves)]
    topology = folder / "topology.json"
    routers = [{"name": name, "address": leaves[name], "nodes": {"selector": SIDE}} for name in leaves]
    topology.write_bytes(msgspec.json.encode({"routers": routers}))
    return objects, {address: {*FIRST, *SECOND} for address in (A, B)}, topology


def place(it: Scene, topology: Path, sessions: Mapping[str, Iterable[str]]) -> None:
    """Write a placement with these sessions by router."""
    it.optimize("--topology", topology, "--peering", "selected", "--speakers-per-router", "2")
    found: Any = msgspec.json.decode(it.placement.read_bytes())
    pairs = sorted((node, router) for router, names in sessions.items() for node in names)
    found["sessions"] = [{"node": node, "router": router} for node, router in pairs]
    found["speakers"] = sorted({node for node, _ in pairs})
    it.placement.write_bytes(msgspec.json.encode(found))


def test_a_session_that_is_opened_again_is_no_longer_the_one_that_was_reported(lab: Lab, tmp_path: Path) -> None:
    objects, sessions, topology = leaves_of_all(tmp_path)
    with scene(lab, tmp_path, objects, sessions) as it:
        other = it.placement, it.way_back
        it.placement, it.way_back = tmp_path / "back.json", tmp_path / "back.rollback.json"
        place(it, topology, {"leaf-a": SECOND, "leaf-b": FIRST})
        after = it.placement, it.way_back
        it.placement, it.way_back = other
        place(it, topology, {"leaf-a": FIRST, "leaf-b": SECOND})
        # Longer than both moves would take.
        it.works.period, it.works.delay = 8.0, 1.5
        time.sleep(0.1)
        it.apply()
        it.lab.eventually("what is not wanted is closed", lambda: it.works.sessions() == it.wanted(), 5)
        assert it.told() == {A: {*FIRST, *SECOND}, B: {*FIRST, *SECOND}}
        it.placement, it.way_back = after
        it.apply()
        it.arrived()


@pytest.mark.parametrize("left", ["matchLabels", "matchExpressions"])
def test_a_selector_of_all_that_somebody_changes_on_the_way(lab: Lab, tmp_path: Path, left: str) -> None:
    objects, sessions, topology = leaves_of_all(tmp_path, {})
    exists = {"matchExpressions": [{"key": OS, "operator": "Exists"}]}
    theirs = {"matchLabels": {OS: "linux"}} if left == "matchLabels" else exists
    with scene(lab, tmp_path, objects, sessions) as it:
        place(it, topology, {"leaf-a": FIRST, "leaf-b": SECOND})
        rule = At(
            lambda request: request.writes and request.path == f"{PEERS}/leaf-a",
            lambda: it.by_hand(f"{PEERS}/leaf-a", {"spec": {"nodeSelector": theirs}}, HAND),
        )
        it.proxy.rule = rule
        told = sentence(it.apply(code=1))
        assert rule.done
        assert "BgpPeer leaf-a: spec.nodeSelector" in told
        assert f"set by {HAND}; left unchanged" in told
        assert it.peer("leaf-a")["spec"]["nodeSelector"] == theirs
        it.kept()


def test_a_bgppeer_whose_finalizer_takes_its_time(lab: Lab, tmp_path: Path) -> None:
    objects = [*racks(1, 4), peer("other", ONE, in_rack(1))]
    for each in objects:
        if each["kind"] == "BgpPeer":
            each["metadata"]["finalizers"] = ["finalizer.lb.kubesphere.io/v1alpha1"]
    with scene(lab, tmp_path, objects, all_of(1, 4)) as it:
        start = it.snapshot()
        it.optimize()
        assert "done" in it.apply().out
        (leaving,) = (each for each in lab.client.items(PEERS) if each["metadata"].get("deletionTimestamp"))
        it.nothing_to_change()
        assert "done" in it.apply().out
        path = f"{PEERS}/{leaving['metadata']['name']}"
        done = threading.Timer(1.5, lambda: lab.client.patch(path, {"metadata": {"finalizers": None}}))
        done.start()
        it.rollback()
        done.join()
        it.is_back(start, loose=(*BIRTH, "finalizers"))


# What is lost on the way back


def finished(it: Scene, *names: str) -> None:
    """Roll back; what is left, if it says that something is, is of these names."""
    result: Ended = it.start_rollback().wait()
    assert result.code in (0, 1), result
    assert "Traceback" not in result.err
    if result.code:
        told = sentence(result)
        assert "changes were rolled back" in told, result.err
        assert any(name in told for name in names), told


def back_but_for(it: Scene, start: Mapping[str, Object], *names: str) -> None:
    """Everything but these objects is as it was."""
    found = it.snapshot()
    assert {name: found.get(name) for name in start if name not in names} == {
        name: each for name, each in start.items() if name not in names
    }


def test_a_node_that_is_not_ready_on_the_way_back(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        start = it.snapshot()
        lost = min({f"r1-n{number}" for number in range(1, 5)}.difference(it.optimize()))
        it.apply()
        it.arrived()
        lab.kubelets(never_ready=[lost])
        conditions = [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]
        lab.client.patch(f"{NODES}/{lost}/status", {"status": {"conditions": conditions}})
        it.lab.eventually("it has the taint", lambda: it.node(lost)["spec"].get("taints"))
        finished(it, lost)
        it.kept()
        back_but_for(it, start, f"Node {lost}")
        assert LABEL not in it.node(lost)["metadata"]["labels"]
        it.lab.eventually("the others are back", lambda: len(it.works.sessions()[ONE]) == 3)
        it.kept()


def test_a_bgppeer_that_is_deleted_before_the_way_back(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        start = it.snapshot()
        it.optimize()
        it.apply()
        it.arrived()
        back_without(it, start, "leaf-r2", ONE)


def test_a_bgppeer_that_was_narrowed_is_deleted_before_the_way_back(lab: Lab, tmp_path: Path) -> None:
    objects, sessions, topology = leaves_of_all(tmp_path)
    with scene(lab, tmp_path, objects, sessions) as it:
        start = it.snapshot()
        place(it, topology, {"leaf-a": FIRST, "leaf-b": SECOND})
        it.apply()
        it.arrived()
        back_without(it, start, "leaf-b", A)


def back_without(it: Scene, start: Mapping[str, Object], name: str, kept: str) -> None:
    """Delete a BgpPeer and roll back; the router of the other one has four sessions in the end, never less than two."""
    since, gone = time.monotonic(), it.peer(name)["spec"]["conf"]["neighborAddress"]
    it.lab.client.delete(f"{PEERS}/{name}")
    it.lab.eventually("its sessions are gone", lambda: gone not in it.works.sessions())
    finished(it, name)
    back_but_for(it, start, f"BgpPeer {name}")
    it.lab.eventually("the other's are back", lambda: len(it.works.sessions()[kept]) == 4)
    assert it.works.history.lowest(kept, since) >= 2


# What others manage


def test_labels_alone_are_not_what_helm_would_take_back(lab: Lab, tmp_path: Path) -> None:
    objects = labelled(racks(1, 4), "r1-n1", "r1-n2")
    marks = {"meta.helm.sh/release-name": "openelb"}
    next(each for each in objects if each["kind"] == "DaemonSet")["metadata"]["annotations"] = marks
    with scene(lab, tmp_path, objects, {ONE: {"r1-n1", "r1-n2"}}) as it:
        start = it.snapshot()
        it.optimize("--ban", "r1-n1")
        assert "Helm" not in it.plan().err
        it.apply()
        it.arrived()
        assert {each.kind for each in it.proxy.writes} == {"nodes"}
        it.rollback()
        it.is_back(start)


def test_a_bgppeer_that_argo_cd_manages_is_left_to_it(lab: Lab, tmp_path: Path) -> None:
    objects, sessions, topology = leaves_of_all(tmp_path)
    for each in objects:
        if each["metadata"]["name"] == "leaf-b":
            each["metadata"]["labels"] = {"argocd.argoproj.io/instance": "fabric"}
    with scene(lab, tmp_path, objects, sessions) as it:
        start = it.snapshot()
        place(it, topology, {"leaf-a": FIRST, "leaf-b": SECOND})
        assert "export --format kustomize" in " ".join(it.plan().err.split())
        told = sentence(it.apply(code=1))
        assert "nothing was changed: BgpPeer leaf-b is managed by Argo CD (fabric)" in told
        assert "export --format kustomize" in told
        assert (it.proxy.writes, it.snapshot()) == ([], start)
        it.apply("--allow-managed")
        it.arrived()
        it.rollback()
        it.is_back(start)

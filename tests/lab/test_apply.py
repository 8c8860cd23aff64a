"""apply and rollback on a real API server: no router short of a session, everything back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.lab.client import Object
from tests.lab.cluster import Lab
from tests.lab.moves import (
    BIRTH,
    DAEMONSETS,
    LEAVES,
    Scene,
    all_of,
    in_rack,
    labelled,
    leaves,
    managers,
    rack_address,
    racks,
    scene,
    sentence,
)
from tests.lab.objects import NODES, RACK, SPEAKER, daemonset, nodes, peer
from tests.objects import pod

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("style", ["node-selector", "affinity", "taints"])
def test_one_router_for_each_rack(lab: Lab, tmp_path: Path, style: str) -> None:
    with scene(lab, tmp_path, racks(3, 4), all_of(3, 4)) as it:
        start = it.snapshot()
        assert len(it.optimize()) == 6
        before = versions(it)
        assert steps(it, "--style", style) >= {"daemonset", "restart-speakers", "unlabel-nodes"}
        assert (it.proxy.writes, versions(it)) == ([], before)
        it.apply("--style", style)
        it.arrived()
        assert it.daemonset()["spec"]["updateStrategy"] == start[f"DaemonSet {SPEAKER}"]["spec"]["updateStrategy"]
        written_as_bgp_speakers(it)
        assert all("bgp-speakers" in managers(it.node(name)) for name in it.chosen())
        assert "bgp-speakers" in managers(it.daemonset())
        tainted = [each["metadata"]["name"] for each in lab.client.items(NODES) if each["spec"].get("taints")]
        assert tainted == (it.chosen() if style == "taints" else [])
        it.nothing_to_change("--style", style)
        it.rollback()
        it.is_back(start)


def steps(it: Scene, *options: str) -> set[str]:
    """The steps of a plan, whose JSON is read back."""
    return {each["slug"] for each in plan(it, *options)["steps"]}


def plan(it: Scene, *options: str) -> Any:
    return msgspec.json.decode(it.plan("--format", "json", *options).out)


def versions(it: Scene) -> dict[str, str]:
    """The version of every object, of nodes without their heartbeats."""
    found = {
        each["metadata"]["uid"]: msgspec.json.encode(spec_of(each)).decode() for each in it.lab.client.items(NODES)
    }
    for path in (DAEMONSETS, "/apis/network.kubesphere.io/v1alpha2/bgppeers"):
        found |= {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in it.lab.client.items(path)}
    return found


def spec_of(manifest: Object) -> Object:
    """All but the status, those who have written it included."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "resourceVersion"}
    metadata["managedFields"] = [each for each in metadata["managedFields"] if not each.get("subresource")]
    return {**{name: value for name, value in manifest.items() if name != "status"}, "metadata": metadata}


def written_as_bgp_speakers(it: Scene) -> None:
    """Every request that has changed an object says who it is from, and only pods are deleted."""
    assert it.proxy.writes
    for each in it.proxy.writes:
        if each.method != "DELETE":
            assert each.query["fieldManager"] == "bgp-speakers", each
        else:
            assert each.kind in ("pods", "bgppeers"), each


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_nodes_under_several_leaves(lab: Lab, tmp_path: Path, peering: str) -> None:
    objects, sessions, topology = leaves(tmp_path)
    with scene(lab, tmp_path, objects, sessions) as it:
        start = it.snapshot()
        # These three have one router in common, which is to have two of them.
        pins = [part for name in ("r1-n1", "r1-n3", "r1-n4") for part in ("--pin", name)]
        it.optimize("--topology", topology, "--peering", peering, *pins)
        it.apply()
        it.arrived()
        written_as_bgp_speakers(it)
        edited = [name for name in LEAVES if it.peer(name)["spec"] != start[f"BgpPeer {name}"]["spec"]]
        assert bool(edited) == (peering == "selected")
        assert all("bgp-speakers" in managers(it.peer(name)) for name in edited)
        it.nothing_to_change()
        it.rollback()
        it.is_back(start)


def test_a_dual_top_of_rack(lab: Lab, tmp_path: Path) -> None:
    both = [peer(f"leaf-{r}{side}", f"10.0.{r}.{n}", in_rack(r)) for r in (1, 2) for n, side in ((1, "a"), (2, "b"))]
    sessions = {f"10.0.{r}.{n}": {f"r{r}-n{i}" for i in (1, 2, 3)} for r in (1, 2) for n in (1, 2)}
    with scene(lab, tmp_path, [*nodes(2, 3), daemonset(), *both], sessions) as it:
        start = it.snapshot()
        assert len(it.optimize()) == 4
        it.apply()
        it.arrived()
        it.rollback()
        it.is_back(start)


def test_optimized_again_labels_alone_change(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, labelled(racks(2, 4), "r1-n1", "r1-n2", "r2-n1", "r2-n2"), first_two()) as it:
        start = it.snapshot()
        assert "r1-n1" not in it.optimize("--ban", "r1-n1", "--max-moves", "2")
        assert steps(it) == {"label-speakers", "unlabel-nodes"}
        it.apply()
        it.arrived()
        assert {each.kind for each in it.proxy.writes} == {"nodes"}
        assert len(it.proxy.writes) == 2
        it.nothing_to_change()
        it.rollback()
        it.is_back(start)


def first_two() -> dict[str, set[str]]:
    return {rack_address(rack): {f"r{rack}-n1", f"r{rack}-n2"} for rack in (1, 2)}


def test_applied_optimized_again_and_applied(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(2, 4), all_of(2, 4)) as it:
        banned = it.optimize()[0]
        it.apply()
        it.arrived()
        it.settle(it.wanted())
        between = it.snapshot()
        assert banned not in it.optimize("--ban", banned)
        refused = it.apply(code=1)
        assert "another placement" in sentence(refused)
        it.way_back = tmp_path / "second.json"
        it.apply("--rollback-file", it.way_back)
        it.arrived()
        it.rollback()
        it.is_back(between)


def test_one_at_a_time(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(2, 3), all_of(2, 3)) as it:
        start = it.snapshot()
        it.optimize()
        batches = [each["batches"] for each in plan(it, "--max-parallel", "1")["steps"]]
        assert max(len(change.get("nodes", ())) for each in batches for batch in each for change in batch) == 1
        it.apply("--max-parallel", "1")
        it.arrived()
        it.rollback()
        it.is_back(start)


def test_a_limit_leaves_no_room_for_old_and_new_together(lab: Lab, tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    limited = {"name": "leaf-r1", "address": rack_address(1), "maxSessions": 2}
    topology.write_bytes(msgspec.json.encode({"routers": [limited]}))
    objects = labelled(racks(2, 4), "r1-n1", "r1-n2", "r2-n1", "r2-n2")
    with scene(lab, tmp_path, objects, first_two(), limits={rack_address(1): 2}) as it:
        start = it.snapshot()
        it.optimize("--topology", topology, "--ban", "r1-n1", "--ban", "r2-n1", "--allow-break")
        assert "router leaf-r1 would have" in sentence(it.apply(code=1))
        assert (it.proxy.writes, it.snapshot()) == ([], start)
        told = plan(it, "--allow-break")
        closed = [sum(each["router"] == "leaf-r1" for each in hop["closes"]) for hop in told["hops"]]
        assert (max(closed), sum(closed)) == (1, 1)
        it.least = 1
        it.apply("--allow-break")
        it.arrived()
        assert it.works.history.lowest_once(rack_address(1), 2) == 1
        # The other router has room, and is not made to wait.
        assert it.works.history.lowest_once(rack_address(2), 2) == 2
        it.nothing_to_change("--allow-break")
        it.rollback()
        it.is_back(start)


def test_two_bgppeers_with_one_address(lab: Lab, tmp_path: Path) -> None:
    objects = [*racks(2, 3), peer("other", rack_address(1), in_rack(1))]
    with scene(lab, tmp_path, objects, all_of(2, 3)) as it:
        start = it.snapshot()
        it.optimize()
        it.apply()
        it.arrived()
        assert "BgpPeer other" not in it.snapshot()
        written_as_bgp_speakers(it)
        it.nothing_to_change()
        it.rollback()
        it.is_back(start, loose=BIRTH)


def test_a_router_with_no_session_to_spare_keeps_them_on_the_way_back(lab: Lab, tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    router = {"name": "leaf-r1", "address": rack_address(1), "nodes": {"selector": in_rack(1)}}
    topology.write_bytes(msgspec.json.encode({"routers": [router]}))
    listed = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["r1-n1", "r1-n2"]}]}
    objects = [*nodes(1, 4), daemonset(), peer("leaf-r1", rack_address(1), listed)]
    with scene(lab, tmp_path, objects, {rack_address(1): {"r1-n1", "r1-n2"}}) as it:
        start = it.snapshot()
        it.optimize("--topology", topology, "--ban", "r1-n1")
        it.apply()
        it.arrived()
        it.rollback()
        it.is_back(start)


def test_what_helm_manages_is_left_to_it(lab: Lab, tmp_path: Path) -> None:
    objects = racks(1, 3)
    marks = {"meta.helm.sh/release-name": "openelb"}
    next(each for each in objects if each["kind"] == "DaemonSet")["metadata"]["annotations"] = marks
    with scene(lab, tmp_path, objects, all_of(1, 3)) as it:
        start = it.snapshot()
        it.optimize()
        assert "bgp-speakers export --format helm" in " ".join(it.plan().err.split())
        refused = sentence(it.apply(code=1))
        assert "nothing was changed" in refused
        assert "managed by Helm (openelb)" in refused
        assert (it.proxy.writes, it.snapshot()) == ([], start)
        it.apply("--allow-managed")
        it.arrived()
        it.rollback()
        it.is_back(start)


def deleted(it: Scene, name: str) -> str:
    it.lab.client.delete(f"{NODES}/{name}")
    return name


def cordoned(it: Scene, name: str) -> str:
    it.by_hand(f"{NODES}/{name}", {"spec": {"unschedulable": True}})
    it.lab.eventually("it has the taint", lambda: it.node(name)["spec"].get("taints"))
    return name


def filled(it: Scene, name: str) -> str:
    made = pod("large", name, requests={"cpu": "3950m", "memory": "100Mi"})
    made["spec"]["containers"][0]["image"] = "large"
    del made["status"]
    it.lab.client.create(made)
    return name


def another_router(it: Scene, name: str) -> str:
    del name
    it.lab.client.create(peer("new-leaf", "192.168.9.1", {"matchLabels": {RACK: "r1"}}))
    return "new-leaf"


@pytest.mark.parametrize("change", [deleted, cordoned, filled, another_router])
def test_a_cluster_that_has_changed_since(lab: Lab, tmp_path: Path, change: Any) -> None:
    objects = labelled(racks(2, 3), "r1-n1", "r1-n2", "r2-n1", "r2-n2")
    with scene(lab, tmp_path, objects, first_two()) as it:
        new = next(iter(set(it.optimize("--ban", "r1-n1")) - {"r1-n2", "r2-n1", "r2-n2"}))
        named = change(it, new)
        start = it.snapshot()
        for result in (it.plan(code=4), it.apply(code=4)):
            assert named in sentence(result)
        assert (it.proxy.writes, it.snapshot()) == ([], start)
        assert not it.way_back.exists()


def test_who_runs_it_is_asked_first(lab: Lab, tmp_path: Path) -> None:
    with scene(lab, tmp_path, racks(1, 3), all_of(1, 3)) as it:
        it.optimize()
        result = it.start("apply", it.placement).wait()
        assert (result.code, it.proxy.writes) == (2, [])
        assert "--yes" in result.err

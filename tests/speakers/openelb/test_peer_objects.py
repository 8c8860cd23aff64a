"""BgpPeers that are down, odd, or one router's together: from the dump to the manifests and the live reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from optimizer.checks.manifests import check_manifests
from optimizer.checks.placement import check_placement
from optimizer.exports.export import export
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology, parse_topology
from optimizer.kube.client import Api
from optimizer.model import Cluster, Policy, Session
from optimizer.placements.optimize import optimize
from optimizer.plan.check import peers_of
from optimizer.plan.plan import make_plan
from optimizer.speakers.openelb.reports import read_reports
from tests.live_server import Server
from tests.objects import Object, daemonset, node, peer, read, speaker_pod

HOST = "kubernetes.io/hostname"
NODES = tuple(node(f"n{i}", {HOST: f"n{i}", "rack": f"r{i % 2}"}) for i in range(1, 7))
SPEAKERS = (daemonset(), *(speaker_pod(f"n{i}") for i in range(1, 7)))
RACKS = ({"matchLabels": {"rack": "r0"}}, {"matchLabels": {"rack": "r1"}})
UP = {"nodesPeerStatus": {"n1": {"peerState": {"sessionState": "ESTABLISHED"}}}}


def down(name: str, address: str, selector: Object | None = None) -> Object:
    made = peer(name, address, selector) | {"status": UP}
    made["spec"]["conf"]["adminDown"] = True
    return made


OFF, ODD = down("off", "10.0.0.9"), peer("odd", "tor.example.com")
TOGETHER = (peer("a", "10.0.0.1", RACKS[0]), peer("b", "::ffff:10.0.0.1", RACKS[1]))


def made(folder: Path, *objects: Object, topology: Topology | None = None) -> Cluster:
    return with_topology(read(folder, *NODES, *SPEAKERS, *objects), topology or Topology())


@pytest.mark.parametrize("format_", ["kubectl", "kustomize", "helm"])
def test_an_export_waits_for_no_session_of_an_object_that_is_down_or_odd(tmp_path: Path, format_: Any) -> None:
    found, policy = made(tmp_path, *TOGETHER, OFF, ODD), Policy()
    placement = optimize(found, policy)
    assert (placement.today.sessions, len(placement.sessions)) == (6, 2)
    files = dict(export(make_plan(found, policy, placement, "node-selector"), format_).files)
    named = [(name, line) for name, text in files.items() for line in text.splitlines()]
    assert [each for each in named if "odd" in each[1].split()] == []
    assert [each for each in named if "off" in each[1].split()] == []
    assert {line for name, line in named if Path(name).name == "sessions.txt" and line.endswith(" a")}


def test_objects_of_one_router_are_merged_into_one(tmp_path: Path) -> None:
    found, policy = made(tmp_path, *TOGETHER, OFF), Policy()
    plan = make_plan(found, policy, optimize(found, policy), "node-selector")
    left = {each["metadata"]["name"]: each for each in peers_of(plan, plan.after)}
    assert [*left] == ["a", "off"]
    assert left["off"]["spec"] == OFF["spec"]


def test_a_router_whose_object_is_odd_gets_one_of_another_name(tmp_path: Path) -> None:
    routers = [{"name": "odd", "address": "10.0.0.7", "asn": 65001, "nodes": {"names": ["n1", "n2"]}}]
    found = made(tmp_path, ODD, topology=parse_topology({"routers": routers}, "t.yaml"))
    files = dict(export(make_plan(found, Policy(), optimize(found, Policy()), "node-selector"), "kubectl").files)
    created = [yaml.safe_load(text) for name, text in files.items() if "create-bgppeer" in name]
    assert [each["metadata"]["name"] for each in created] == ["odd-2"]


def test_checks_disagree_with_a_session_of_a_router_that_is_down(tmp_path: Path) -> None:
    found, policy = made(tmp_path, peer("leaf", "10.0.0.1"), OFF), Policy()
    placement = optimize(found, policy)
    assert check_placement(found, policy, placement) == ()
    spoiled = replace(placement, sessions=(*placement.sessions, Session("n1", "off")))
    assert any("session n1 - off: the node is not attached" in told for told in check_placement(found, policy, spoiled))
    plan = make_plan(found, policy, placement, "node-selector")
    nodes = {name: each for (kind, _, name), each in plan.after.items() if kind == "Node"}
    after, agents = peers_of(plan, plan.after), plan.after[plan.daemonset_key]
    assert check_manifests(found, policy, placement, nodes, agents, after) == ()
    assert check_manifests(found, policy, spoiled, nodes, agents, after) == ("the manifests give no session n1 - off",)
    twice = [*after, peer("second", "::ffff:10.0.0.1", {"matchLabels": {"rack": "none"}})]
    assert check_manifests(found, policy, placement, nodes, agents, twice) == (
        "the manifests give an unexpected second BgpPeer of address 10.0.0.1: second",
    )


def test_of_an_object_that_is_down_no_session_is_waited_for(server: Server, api: Api) -> None:
    server.objects = [peer("leaf", "10.0.0.1") | {"status": UP}, OFF, {**ODD, "status": UP}]
    assert [(each.peer, [*each.sessions]) for each in read_reports(api)] == [("leaf", ["n1"]), ("odd", ["n1"])]

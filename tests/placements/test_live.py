"""A placement on a live cluster is the best one, though most nodes' pods were never looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from optimizer.checks.placement import check_placement
from optimizer.cli.main import main
from optimizer.inputs.policy import parse_policy, policy_to_data
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import Topology, parse_topology
from optimizer.kube.client import Api
from optimizer.model import Cluster, Goal, NodeRules, Placement, Policy, Resources, SpeakerNeeds, Survive
from optimizer.placements.live import optimize_live, without_head_room
from optimizer.placements.optimize import optimize
from tests.live_server import Answer, Server, kubeconfig
from tests.objects import Object, daemonset, node, peer, pod, read, speaker_pod

ROOM = {"cpu": "1", "memory": "1Gi", "pods": "10"}
LABELS = {"app": "openelb", "component": "speaker"}
RACKS = ("r1", "r2")


def names(rack: str, size: int) -> list[str]:
    return [f"{rack}-{i:02d}" for i in range(size)]


def objects(size: int = 20, full: int = 0, running: tuple[str, ...] = (), used: str = "950m") -> list[Object]:
    """Two racks of nodes, the first of each `full`, each rack under its leaf router; 100m of speaker for 1000m."""
    nodes = [node(name, {"rack": rack}, allocatable=ROOM) for rack in RACKS for name in names(rack, size)]
    pods = [pod(f"app-{name}", name, requests={"cpu": used}) for rack in RACKS for name in names(rack, full)]
    peers = [peer(f"leaf-{r}", f"10.0.0.{i}", {"matchLabels": {"rack": r}}) for i, r in enumerate(RACKS, 1)]
    own = daemonset(scheduled=len(running))
    return [own, *nodes, *pods, *peers, *(speaker_pod(name, labels=LABELS) for name in running)]


def looked_at(server: Server) -> set[str]:
    """The nodes whose pods were asked for."""
    fields = [each.query.get("fieldSelector", "") for each in server.asked("pods")]
    return {field.partition(",")[0].removeprefix("spec.nodeName=") for field in fields if field}


def best(placement: Placement) -> list[tuple[str, int, int]]:
    return [(goal.name, goal.value, goal.bound) for goal in placement.objectives]


def full_dump(folder: Path, server: Server, policy: Policy, topology: Topology) -> Cluster:
    cluster = read(folder, *server.objects)
    return with_topology(cluster, topology, policy)


def test_one_round_where_the_chosen_nodes_have_room(server: Server, api: Api) -> None:
    server.objects = objects()
    cluster, placement, rounds = optimize_live(api, Policy(), Topology())
    assert placement.status == "optimal"
    assert placement.speakers == ("r1-00", "r1-01", "r2-00", "r2-01")
    assert rounds == 1
    assert looked_at(server) == set(placement.speakers)
    told = "room was looked up on 4 of 40 nodes in 1 round; the others are assumed to have room"
    assert told in [str(each) for each in placement.warnings]
    assert "how full a node is does not count in the cost of a live cluster (nodes.headRoom: false)" in [
        str(each) for each in placement.warnings
    ]
    assert not any("no Pods" in warning for warning in map(str, placement.warnings))
    assert check_placement(cluster, without_head_room(Policy()), placement) == ()


def test_full_nodes_are_not_chosen_and_rounds_stay_few(server: Server, api: Api, tmp_path: Path) -> None:
    """60 of 64 nodes of each rack are full: two more at a time would take 30 rounds."""
    server.objects = objects(64, full=60)
    cluster, placement, rounds = optimize_live(api, Policy(), Topology())
    assert placement.speakers == ("r1-60", "r1-61", "r2-60", "r2-61")
    assert 3 < rounds < 8
    assert cluster.nodes[0].requested == Resources(950, 0, 1)
    whole = optimize(full_dump(tmp_path, server, Policy(), Topology()), without_head_room(Policy()))
    assert (best(placement), placement.speakers) == (best(whole), whole.speakers)


TOPOLOGY = parse_topology({"failureDomains": [{"kind": "rack", "nodeLabel": "rack"}]}, "")
SESSION = SpeakerNeeds(per_session=Resources(30, 0))


@pytest.mark.parametrize(
    ("policy", "given"),
    [
        (Policy(peering="selected"), {"full": 3, "running": ("r1-00", "r1-07", "r2-09")}),
        (Policy(speaker=SESSION), {"full": 7, "used": "880m"}),
        (Policy(best_effort=True), {"full": 20, "running": ("r1-00", "r2-03")}),
        (Policy(best_effort=True), {"full": 19, "running": ("r1-00", "r2-19")}),
        (Policy(max_moves=3), {"full": 10, "running": tuple(names("r1", 20))}),
        (Policy(max_moves=30), {"full": 10, "running": tuple(names("r1", 20))}),
        (Policy(nodes=NodeRules(pin=("r1-04",), ban=("r1-00",))), {"full": 4}),
        (Policy(nodes=NodeRules(pin=("r1-04",))), {"full": 5}),
        (Policy(goals=("speakers", "sessions")), {"full": 19}),
        (Policy(mode="vip", survive=(Survive("rack"),)), {"full": 18}),
        (Policy(mode="layer2"), {"full": 18}),
    ],
)
def test_it_is_as_good_as_with_the_pods_of_all_nodes(
    server: Server, api: Api, tmp_path: Path, policy: Policy, given: dict[str, Any]
) -> None:
    server.objects = objects(**given)
    if policy.mode != "bgp":
        server.objects = [each for each in server.objects if each["kind"] != "BgpPeer"]
    cluster, placement, rounds = optimize_live(api, policy, TOPOLOGY)
    dump = full_dump(tmp_path, server, policy, TOPOLOGY)
    whole = optimize(dump, without_head_room(policy))
    assert placement.status == whole.status
    shift = dict.fromkeys(("moves",), lost_uncounted(cluster, dump, placement)) if policy.max_moves is None else {}
    assert best(placement) == [(name, n + shift.get(name, 0), b + shift.get(name, 0)) for name, n, b in best(whole)]
    assert placement.speakers == whole.speakers
    assert check_placement(cluster, without_head_room(policy), placement) == ()
    if placement.status != "infeasible":
        assert check_placement(dump, without_head_room(policy), placement, claims=False) == ()
        assert any(f"in {rounds} round" in warning for warning in map(str, placement.warnings))


def lost_uncounted(cluster: Cluster, dump: Cluster, placement: Placement) -> int:
    """Speakers that have to stop on full nodes that nobody looked at: there they are counted as moves."""
    known = {each.name: each.requested for each in cluster.nodes}
    full = {each.name for each in dump.nodes if each.requested.cpu > 900 and known[each.name] != each.requested}
    return len(full & set(cluster.today.speakers) - set(placement.speakers))


def test_random_clusters_are_as_good_as_dumps_of_them(server: Server, api: Api, tmp_path: Path) -> None:
    import random

    for seed in range(12):
        dice = random.Random(seed)
        running = tuple(name for rack in RACKS for name in names(rack, 8) if dice.random() < 0.4)
        server.objects = objects(8, running=running) + [
            pod(f"app-{name}", name, requests={"cpu": f"{dice.choice([100, 840, 880, 950])}m"})
            for rack in RACKS
            for name in names(rack, 8)
            if dice.random() < 0.7
        ]
        goals: tuple[Goal, ...] = ("sessions", "speakers", "sessionMoves", "cost")
        policy = Policy(speaker=SESSION, goals=goals, peering=dice.choice(["selected", "all-attached"]))
        _, placement, _ = optimize_live(api, policy, Topology())
        whole = optimize(full_dump(tmp_path, server, policy, Topology()), without_head_room(policy))
        assert (placement.status, best(placement)) == (whole.status, best(whole)), seed


def test_with_a_budget_of_moves_all_running_speakers_nodes_are_looked_at(server: Server, api: Api) -> None:
    running = tuple(names("r1", 20))
    server.objects = objects(running=running)
    optimize_live(api, Policy(max_moves=30), Topology())
    assert looked_at(server) >= set(running)


def test_head_room_is_a_key_of_the_policy() -> None:
    assert without_head_room(Policy()) == Policy(nodes=NodeRules(head_room=False))
    assert policy_to_data(Policy()).get("nodes", {}) == {}
    data = policy_to_data(without_head_room(Policy()))
    assert data["nodes"] == {"headRoom": False}
    assert parse_policy(data, "") == without_head_room(Policy())


def test_without_head_room_a_full_node_costs_nothing(tmp_path: Path) -> None:
    given = [*objects(3), *(pod(f"a-{name}", name, requests={"cpu": "500m"}) for name in ("r1-00", "r1-01", "r1-02"))]
    cluster = with_topology(read(tmp_path, *given), Topology())
    assert best(optimize(cluster, Policy()))[-1] == ("cost", 10, 10)
    assert best(optimize(cluster, without_head_room(Policy())))[-1] == ("cost", 0, 0)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_reads_the_live_cluster(server: Server, tmp_path: Path) -> None:
    server.objects = objects(full=2, running=("r1-00", "r1-05"))
    file = kubeconfig(tmp_path, server.address)
    result = run("optimize", "--live", "--kubeconfig", file, "--context", "lab", "-o", tmp_path / "p.json")
    assert result.exit_code == 0, result.output
    placement = json.loads((tmp_path / "p.json").read_text())
    assert placement["policy"]["nodes"] == {"headRoom": False}
    assert placement["speakers"] == ["r1-02", "r1-05", "r2-02", "r2-03"]
    assert "room was looked up on " in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--live", "in.json"], "--live reads the cluster itself, so INPUT (in.json) cannot be given too"),
        (["in.json", "--context", "lab"], "--context goes with --live"),
        (["in.json", "--kubeconfig", "config"], "--kubeconfig goes with --live"),
        ([], "Missing argument 'INPUT...' (or --live)"),
    ],
)
def test_input_and_live_exclude_each_other(arguments: list[str], sentence: str) -> None:
    result = run("optimize", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_what_is_wrong_is_one_sentence(server: Server, tmp_path: Path) -> None:
    server.ordered.append(Answer(403, {"kind": "Status", "message": "daemonsets.apps is forbidden"}))
    result = run("optimize", "--live", "--kubeconfig", kubeconfig(tmp_path, server.address))
    assert result.exit_code == 1
    assert result.stderr == (
        f"bgp-speakers: {server.address}: cannot list all daemonsets: daemonsets.apps is forbidden (403); "
        "a role that allows to list daemonsets is missing\n"
    )
    missing = run("optimize", "--live", "--kubeconfig", tmp_path / "none")
    assert (missing.exit_code, missing.stderr) == (1, f"bgp-speakers: {tmp_path}/none: no such file\n")


def test_ctrl_c_while_reading_is_one_sentence(server: Server, tmp_path: Path) -> None:
    server.ordered.append(Answer(429, b"", Retry_After="50"))
    command = [sys.executable, "-m", "optimizer", "optimize", "-v", "--live"]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig(tmp_path, server.address))}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "trying again" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 1
    assert err == "bgp-speakers: interrupted before there was a placement; nothing was changed\n"


def test_the_time_limit_is_shared_by_the_rounds(server: Server, api: Api) -> None:
    server.objects = objects(full=8)
    policy = Policy(time_limit=0.1)
    _, placement, rounds = optimize_live(api, policy, Topology())
    assert rounds > 1
    assert placement.status == "optimal"
    assert replace(placement, warnings=()).speakers == ("r1-08", "r1-09", "r2-08", "r2-09")

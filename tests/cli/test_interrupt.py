"""A search that ends early says what it has, and what it does not know."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.irregular import irregular
from optimizer.model import Policy, Survive
from optimizer.placements.optimize import optimize


def written(folder: Path, size: int) -> list[str]:
    """An irregular network as input files (4,000 nodes: 173 routers; 1,000: 69); the arguments to optimize it."""
    cluster = irregular(size, "all-attached").cluster
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}} for node in cluster.nodes]
    routers = [{"name": name, "nodes": {"names": list(names)}} for name, names in cluster.attachments.items()]
    (folder / "cluster.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
    (folder / "topology.json").write_text(json.dumps({"routers": routers}))
    return [str(folder / "cluster.json"), "--topology", str(folder / "topology.json")]


def test_an_interrupted_search_gives_the_best_placement_so_far_with_its_gap(tmp_path: Path) -> None:
    arguments = [*written(tmp_path, 4000), "--time-limit", "300", "--format", "json", "-v"]
    command = [sys.executable, "-m", "optimizer", "optimize", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "found, at least" in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate()
    assert process.returncode == 0, err
    placement = json.loads(out)
    assert placement["status"] == "feasible"
    sessions = placement["objectives"][0]
    assert len(placement["sessions"]) == sessions["value"] > sessions["bound"] == 2 * 173


def test_a_time_limit_gives_a_verified_placement_and_no_claim_of_a_proof() -> None:
    for best_effort in (False, True):
        policy = Policy(survive=(Survive("zone"),), time_limit=4, best_effort=best_effort)
        placement = optimize(irregular(1000, "all-attached").cluster, policy)
        values = {goal.name: goal for goal in placement.objectives}
        assert placement.status in ("feasible", "optimal")
        assert values["sessions"].bound >= 2 * 69 - (values["shortfall"].value if best_effort else 0)

"""The fixed part of the benchmarks: known optima, proofs that agree with an exact model, and every peer once."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from benchmarks import orlib
from benchmarks.families import FAMILIES, instance
from benchmarks.instance import Cell, Instance
from benchmarks.peers import PEERS
from benchmarks.peers.answer import Answer, Clock
from benchmarks.peers.lexicographic import solve
from benchmarks.peers.plain import CpSat
from benchmarks.peers.plain_model import plain_model
from benchmarks.race import race
from benchmarks.result import Result, proved, ranked
from benchmarks.table import disagreements
from optimizer.checks.placement import check_placement
from optimizer.model import GOALS, Cluster, Peering, Placement, Policy
from optimizer.placements.optimize import optimize
from tests.instances import problems
from tests.search.brute_force import best_values

PEERINGS: tuple[Peering, ...] = ("all-attached", "selected")
SMALL = [(family, peering) for family in FAMILIES for peering in PEERINGS]


def exact(cluster: Cluster, policy: Policy) -> Answer:
    """The plain model's answer; eight workers, since the default of a small machine hardly proves anything."""
    model = plain_model(cluster, policy)
    answer = solve(model, CpSat(model, workers=8), Clock(60), lambda goal, value, bound: None)
    if answer.speakers:
        placement = Placement("feasible", (), answer.speakers, answer.sessions)
        assert check_placement(cluster, policy, placement, claims=False) == ()
    return answer


def proved_values(subject: Instance, policy: Policy | None = None) -> tuple[int, ...]:
    """Our values, all proved."""
    placement = optimize(subject.cluster, policy or subject.policy)
    assert placement.status == "optimal"
    return tuple(goal.value for goal in placement.objectives)


@pytest.mark.parametrize(("family", "peering"), SMALL)
def test_proofs_agree_with_the_plain_model_and_the_known_optimum(family: str, peering: Peering) -> None:
    subject = instance(Cell(family, 100, peering))
    values = proved_values(subject)
    assert exact(subject.cluster, subject.policy).bounds == values
    assert subject.known in (None, values)


@pytest.mark.parametrize("peering", PEERINGS)
@pytest.mark.parametrize("family", ["nearly-full", "changed", "changed-irregular"])
def test_proofs_agree_in_all_goals(family: str, peering: Peering) -> None:
    subject = instance(Cell(family, 100, peering, seed=1))
    policy = replace(subject.policy, goals=GOALS)
    assert exact(subject.cluster, policy).bounds == proved_values(subject, policy)


@pytest.mark.parametrize("peering", PEERINGS)
@pytest.mark.parametrize("family", ["single-tor", "dual-tor", "spine", "feeds", "cloud-8", "cloud-128", "changed"])
def test_known_optimum_of_larger_instances(family: str, peering: Peering) -> None:
    # 1,010 nodes do not fill their racks, pods and rows evenly.
    subject = instance(Cell(family, 1010, peering))
    assert proved_values(subject) == subject.known


@settings(max_examples=60, deadline=None)
@given(problems(modes=("bgp",)))
def test_plain_model_is_exact(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem[0], replace(problem[1], best_effort=False)
    model = plain_model(cluster, policy)
    answer = solve(model, CpSat(model, workers=1), Clock(60), lambda goal, value, bound: None)
    best = best_values(cluster, policy)
    assert answer.infeasible == (best is None)
    assert answer.bounds == (best or ())


@pytest.mark.parametrize("family", FAMILIES)
def test_same_arguments_give_the_same_instance(family: str) -> None:
    first, second = (instance(Cell(family, 300, "selected", seed=3)) for _ in range(2))
    assert first == second
    assert len(first.cluster.nodes) == 300
    names = [node.name for node in first.cluster.nodes]
    assert names == sorted(set(names))


COSTS = [3, 1, 4, 1, 5, 2, 6, 2, 3, 4]
COVERS = [[1, 2, 5], [2, 3, 7], [1, 4, 8, 9], [3, 5, 10], [4, 6, 10], [6, 7, 8], [2, 9, 10]]


def cheapest_cover(k: int) -> int:
    """The least cost of columns that cover every row k times, found by trying all."""
    columns = range(1, len(COSTS) + 1)
    chosen = (set(some) for number in columns for some in combinations(columns, number))
    covering = (some for some in chosen if all(len(some.intersection(row)) >= k for row in COVERS))
    return min(sum(COSTS[column - 1] for column in some) for some in covering)


@pytest.mark.parametrize("k", [1, 2])
def test_set_covering_file(tmp_path: Path, k: int) -> None:
    rows = [f"{len(row)}\n{' '.join(map(str, row))}" for row in COVERS]
    path = tmp_path / "small.txt"
    path.write_text(f" {len(COVERS)} {len(COSTS)}\n{' '.join(map(str, COSTS))}\n" + "\n".join(rows) + "\n")
    (tmp_path / "best_known.csv").write_text(f"file,rows,columns,best_known\nsmall.txt,7,10,{cheapest_cover(1)}\n")
    subject = orlib.read(path, k)
    assert subject.best_known == (cheapest_cover(1) if k == 1 else None)
    assert proved_values(subject) == (cheapest_cover(k),) == exact(subject.cluster, subject.policy).bounds


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("family", "peering"), [("nearly-full", "selected"), ("changed", "all-attached")])
def test_every_peer_gives_a_valid_answer(peer: str, family: str, peering: Peering) -> None:
    result = race(Cell(family, 100, peering), peer, seconds=2, cores=2)
    assert (result.note, ranked(result)) == ("", True)
    best = proved_values(instance(Cell(family, 100, peering)))
    assert result.values is not None
    assert result.values >= best
    assert result.values == best or not proved(result)
    assert result.idle is not None
    assert result.memory is not None
    assert result.memory >= result.idle > 1


def test_a_greedy_script_is_told_invalid_where_it_breaks_rules() -> None:
    # Route servers have no room for the nodes that it needs last.
    result = race(Cell("spine", 1000, "all-attached"), "greedy", seconds=5, cores=2)
    assert (result.status, result.values) == ("invalid", None)
    assert "violations: router leaf-" in result.note


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.race.NEEDS", {"greedy": "no_such_package"})
    result = race(Cell("single-tor", 100, "selected"), "greedy", seconds=5, cores=2)
    assert (result.status, result.note) == ("missing", "pip install no_such_package")


def test_highs_runs_without_ortools() -> None:
    code = "import sys, benchmarks.worker, benchmarks.peers.highs; sys.exit('ortools' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_writes_a_table_json_and_pictures(tmp_path: Path) -> None:
    output, pictures = tmp_path / "results.json", tmp_path / "pictures"
    command = [sys.executable, "-m", "benchmarks", "--family", "single-tor", "--peering", "all-attached"]
    command += ["--size", "100", "--size", "140", "--size", "180", "--peers", "ours,plain,greedy", "--time-limit", "20"]
    done = subprocess.run(
        [*command, "--json", output, "--pictures", pictures], capture_output=True, text=True, check=True
    )
    assert "time to proof of plain / ours, geometric mean: = " in done.stdout
    assert "a peer's value is better: none" in done.stdout
    report = json.loads(output.read_text())
    assert report["arguments"]["size"] == [100, 140, 180]
    assert {"python", "ortools"} <= report["versions"].keys()
    statuses = {(result["peer"], result["status"]) for result in report["results"]}
    assert statuses == {("ours", "optimal"), ("plain", "optimal"), ("greedy", "feasible")}
    assert [path.name for path in pictures.iterdir() if path.name.startswith("growth")] == [
        "growth-single-tor-all-attached.png"
    ]


def test_a_result_that_misses_the_known_optimum_is_told() -> None:
    cell = Cell("single-tor", 100, "selected")
    wrong = Result(cell, "single-tor", "ours", "optimal", ("sessions",), (5,), (5,), known=(4,))
    right = Result(cell, "single-tor", "plain", "feasible", ("sessions",), (4,), (0,), known=(4,))
    assert len(disagreements([{"ours": wrong, "plain": right}])) == 2

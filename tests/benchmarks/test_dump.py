"""The dump of the end-to-end benchmark is one that kubectl could have printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.dump import write_dump
from optimizer.inputs.cluster import read_cluster


def test_json_and_yaml_hold_the_same_cluster(tmp_path: Path) -> None:
    paths = [tmp_path / "dump.json", tmp_path / "dump.yaml"]
    for path in paths:
        write_dump(path, nodes=85)
    first, second = (read_cluster([str(path)]) for path in paths)
    assert first == second
    assert (len(first.nodes), len(first.peers)) == (85, 6)
    assert first.speaker is not None
    assert 9_000 < paths[0].stat().st_size / 85 < 12_000


def test_the_yaml_is_in_the_form_that_is_read_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dump(tmp_path / "dump.yaml", nodes=85)
    monkeypatch.setattr("optimizer.inputs.kubectl_yaml.load", None)
    assert len(read_cluster([str(tmp_path / "dump.yaml")]).nodes) == 85


def test_the_whole_job_is_measured_against_decoding(tmp_path: Path) -> None:
    output = tmp_path / "costs.json"
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--nodes", "80", "--runs", "1", "--json", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith("ratio")
    costs = json.loads(output.read_text())["costs"]
    assert [cost["what"] for cost in costs] == ["decode only", "optimize"]
    assert all(cost["wall"] > 0 and cost["anonymous"] > 1 for cost in costs)

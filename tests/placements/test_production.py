"""A cluster of production size through reading, optimizing, verifying and every export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from optimizer.cli.main import main
from optimizer.exports.export import Format
from optimizer.plan.template import Style
from tests import production

CASES = {
    # Every leaf needs two sessions and no speaker serves two leaves.
    "single_tor": (2 * len(production.RACKS), 2 * len(production.RACKS)),
    # Every ToR needs two sessions, and a speaker serves both ToRs of its rack.
    "dual_tor": (4 * len(production.RACKS), 2 * len(production.RACKS)),
    # Two survivors of any zone from three sessions: one in each of the three zones.
    "route_server": (3, 3),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The input files of a case, and its placement."""
    folder = tmp_path_factory.mktemp(request.param)
    make: Callable[[], tuple[list[object], object, object]] = getattr(production, request.param)
    objects, topology, policy = make()
    (folder / "cluster.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    (folder / "topology.json").write_text(json.dumps(topology))
    (folder / "policy.json").write_text(json.dumps(policy))
    options = ["--topology", "topology.json", "--policy", "policy.json", "-o", "placement.json"]
    arguments = [option if option.startswith("-") else str(folder / option) for option in options]
    result = CliRunner().invoke(main, ["optimize", str(folder / "cluster.json"), *arguments])
    assert result.exit_code == 0, result.output
    return request.param, folder


def test_the_optimum_is_proved(case: tuple[str, Path]) -> None:
    name, folder = case
    placement = json.loads((folder / "placement.json").read_text())
    values = {goal["name"]: goal["value"] for goal in placement["objectives"]}
    assert placement["status"] == "optimal"
    assert (values["sessions"], values["speakers"]) == CASES[name]
    assert sum(placement["ineligible"].values()) == -(-production.SIZE // 9)
    assert placement["today"]["speakers"] == production.SIZE


@pytest.mark.parametrize("style", get_args(Style))
@pytest.mark.parametrize("format_", get_args(Format))
def test_every_export_is_written_and_verified(case: tuple[str, Path], style: str, format_: str) -> None:
    _, folder = case
    out = folder / f"{style}-{format_}"
    arguments = [str(folder / "placement.json"), str(folder / "cluster.json"), "--style", style, "--format", format_]
    result = CliRunner().invoke(main, ["export", *arguments, "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert (out / "README.txt").exists()

"""A command imports what its job needs and nothing else: start-up is most of the time of a small job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.objects import daemonset, list_of, node, peer, write

NEVER = {"kubernetes", "matplotlib", "highspy", "pyscipopt"}
SOLVER = {"ortools", "networkx", "numpy", "pandas"}
RUN = """
import sys
from optimizer.cli.main import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write("\\n" + " ".join({name.partition(".")[0] for name in sys.modules}))
"""


def imported(*arguments: str | Path) -> set[str]:
    """The packages that a process has imported after the command."""
    done = subprocess.run([sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start-up")
    write(folder / "in.json", list_of(*(node(f"n{i}") for i in (1, 2, 3)), peer("leaf-1", "10.0.0.1"), daemonset()))
    return folder


@pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["optimize", "--help"], ["export", "--help"], ["schema", "policy"]]
)
def test_help_needs_neither_solver_nor_yaml(command: list[str]) -> None:
    assert not imported(*command) & (NEVER | SOLVER | {"yaml", "jsonpatch"})


def test_each_command_imports_what_its_job_needs(folder: Path) -> None:
    placement, cluster = folder / "placement.json", folder / "in.json"
    assert not imported("optimize", cluster, "-o", placement) & (NEVER | SOLVER | {"yaml"})
    assert not imported("verify", placement, cluster) & (NEVER | SOLVER | {"yaml", "jsonpatch"})
    assert not imported("export", placement, cluster, "-o", folder / "out") & (NEVER | SOLVER)


def test_a_small_cluster_is_optimized_without_the_solver(folder: Path) -> None:
    cluster = Path(__file__).parents[2] / "examples" / "2-leaf-routers" / "cluster.yaml"
    for way in ("all-attached", "selected"):
        assert not imported("optimize", cluster, "--peering", way, "-o", folder / way) & (NEVER | SOLVER)


def test_what_small_components_do_without_takes_the_solver(folder: Path) -> None:
    assert "ortools" in imported("optimize", folder / "in.json", "--best-effort", "-o", folder / "best-effort")

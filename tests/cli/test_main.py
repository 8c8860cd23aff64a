"""The command line: contract, exit codes, one sentence for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optimizer.cli.main import main
from tests.objects import daemonset, list_of, node, peer, write

EXAMPLES = Path(__file__).parents[2] / "examples"
RACKS = str(EXAMPLES / "2-leaf-routers" / "cluster.yaml")
COMMANDS = sorted(main.commands)


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: bgp-speakers {command}" in result.output.replace("\n", " ")


def test_the_placement_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    result = run("optimize", RACKS, "-o", tmp_path / "p.json")
    assert result.exit_code == 0
    placement = json.loads((tmp_path / "p.json").read_text())
    assert (placement["apiVersion"], placement["kind"]) == ("bgp-speakers/v1", "Placement")
    assert placement["status"] == "optimal"
    assert placement["objectives"][0] == {"name": "sessions", "value": 6, "bound": 6}
    assert placement["speakers"] == ["r1-n2", "r1-n3", "r2-n1", "r2-n3", "r3-n1", "r3-n2"]
    assert placement["sessions"][0] == {"node": "r1-n2", "router": "leaf-1"}
    assert placement["today"] == {"speakers": 12, "sessions": 12, "working": 12, "up": 0, "down": 0}
    assert placement["diagnosis"] == []


def test_json_on_stdout_is_the_placement_and_nothing_else(tmp_path: Path) -> None:
    result = run("optimize", RACKS, "--format", "json", "-o", tmp_path / "p.json", "-v")
    assert result.stdout == (tmp_path / "p.json").read_text()
    assert "solving" in result.stderr


def test_stdin_is_read_for_a_dash() -> None:
    assert run("optimize", "-", stdin=Path(RACKS).read_bytes()).stdout == run("optimize", RACKS).stdout


def test_the_same_input_gives_the_same_bytes() -> None:
    assert run("optimize", RACKS, "--format", "json").stdout == run("optimize", RACKS, "--format", "json").stdout


def test_infeasible_is_exit_code_3_and_still_written(tmp_path: Path) -> None:
    result = run("optimize", RACKS, "--speakers-per-router", "9", "-o", tmp_path / "p.json")
    assert result.exit_code == 3
    assert json.loads((tmp_path / "p.json").read_text())["status"] == "infeasible"
    exported = run("export", tmp_path / "p.json", RACKS, "-o", tmp_path / "out")
    assert exported.exit_code == 4
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--pin", "r1-n2", "--ban", "r1-n2"], 1, "r1-n2 is both pinned and banned"),
        (["--pin", "r1-m2"], 1, "there is no node 'r1-m2'; did you mean"),
        (["--peering", "all"], 2, "is not one of 'all-attached', 'selected'"),
        (["--speaker-label", "topology.kubernetes.io/zone=a"], 1, "is a label of Kubernetes itself"),
        (["--survive", "rack"], 1, "'rack' is no declared kind of failure domain"),
        (["--survive", "=2"], 2, "--survive =2: the kind of failure domain is missing"),
        (["--survive", ""], 2, "the kind of failure domain is missing"),
        (["--topology", ""], 2, "Invalid value for '--topology': the path is empty"),
        (["-o", ""], 2, "the path is empty"),
        (["--survive", "zone=x"], 2, "'x' is not a number"),
        (["--speakers-per-router", "0"], 1, "speakersPerRouter must be from 1"),
        (["--speakers-per-router", "two"], 2, "not a valid integer"),
        (["--daemonset", "other"], 1, "no such DaemonSet in the input (there are: openelb-system/openelb-speaker)"),
        (["--speaker-label", "no equals"], 1, "not of the form key=value"),
        (["--topology", "missing.yaml"], 1, "missing.yaml: no such file"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_a_wrong_request_gets_one_sentence(tmp_path: Path, arguments: list[str], code: int, sentence: str) -> None:
    result = run("optimize", RACKS, "-o", tmp_path / "p.json", *arguments)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
    assert isinstance(result.exception, SystemExit)


def test_verify_lists_what_best_effort_has_accepted(tmp_path: Path) -> None:
    cluster = write(tmp_path / "c.json", list_of(node("n1"), peer("leaf", "10.0.0.1"), daemonset()))
    placement = tmp_path / "p.json"
    assert run("optimize", cluster, "--best-effort", "-o", placement).exit_code == 0
    lines = run("verify", placement, cluster).stdout.splitlines()
    assert lines[0] == "every rule holds but for what was accepted (best effort): 1 speaker, 1 session"
    assert lines[1].split() == ["missing", "leaf:", "1", "session", "short", "of", "redundancy"]


def test_a_placement_that_no_longer_holds_is_exit_code_4_and_writes_nothing(tmp_path: Path) -> None:
    run("optimize", RACKS, "-o", tmp_path / "p.json")
    changed = tmp_path / "changed.yaml"
    changed.write_text(Path(RACKS).read_text().replace("r1-n2", "r1-n9"))
    for command in (["verify"], ["export", "-o", str(tmp_path / "out")]):
        result = run(command[0], tmp_path / "p.json", changed, *command[1:])
        assert result.exit_code == 4
        assert "r1-n2" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_forged_placement_is_found_out(tmp_path: Path) -> None:
    run("optimize", RACKS, "-o", tmp_path / "p.json")
    placement = json.loads((tmp_path / "p.json").read_text())
    placement["speakers"].remove("r3-n1")
    placement["sessions"] = [each for each in placement["sessions"] if each["node"] != "r3-n1"]
    (tmp_path / "p.json").write_text(json.dumps(placement))
    result = run("verify", tmp_path / "p.json", RACKS)
    assert result.exit_code == 4
    assert "leaf-3" in result.stderr


def test_an_export_on_top_of_foreign_files_is_refused(tmp_path: Path) -> None:
    run("optimize", RACKS, "-o", tmp_path / "p.json")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    result = run("export", tmp_path / "p.json", RACKS, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_export_needs_a_folder_with_a_name(tmp_path: Path) -> None:
    run("optimize", RACKS, "-o", tmp_path / "p.json")
    result = run("export", tmp_path / "p.json", RACKS, "-o", "")
    assert result.exit_code == 2
    assert "the path is empty" in result.stderr


def test_an_unwritable_output_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("optimize", RACKS, "-o", tmp_path / "file" / "p.json")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.yaml"
    cluster.write_bytes(Path(RACKS).read_bytes())
    result = run("optimize", cluster, "-o", cluster)
    assert result.exit_code == 2
    assert cluster.read_bytes() == Path(RACKS).read_bytes()


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "p.json")
    assert run("optimize", RACKS, "-o", tmp_path / "link.json").exit_code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real" / "p.json").exists()


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    script = "cat pipe > copy & bgp-speakers optimize $RACKS -o pipe >/dev/null && wait"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=os.environ | {"RACKS": RACKS, "PATH": path}, check=True)
    assert json.loads((tmp_path / "copy").read_text())["status"] == "optimal"
    assert (tmp_path / "pipe").is_fifo()


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "optimizer", "optimize", RACKS], stdout=full, stderr=-1, check=False
        )
    assert ran.returncode == 1
    assert b"the output cannot be written (No space left on device)" in ran.stderr
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["optimize", "--help"], ["--version"], ["schema", "placement"]])
def test_a_full_disk_is_one_sentence_for_help_too(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run([sys.executable, "-m", "optimizer", *arguments], stdout=full, stderr=-1, check=False)
    assert ran.returncode == 1
    assert ran.stderr.decode() == "bgp-speakers: the output cannot be written (No space left on device)\n"


def test_a_closed_stdout_is_one_sentence_and_nothing_is_done(tmp_path: Path) -> None:
    script = 'exec "$0" -m optimizer optimize "$1" -o p.json >&-'
    ran = subprocess.run(["sh", "-c", script, sys.executable, RACKS], cwd=tmp_path, stderr=-1, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (
        1,
        "bgp-speakers: the output cannot be written (stdout is closed)\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_layer2_spreads_over_the_zones_unasked() -> None:
    story = EXAMPLES / "7-layer2-vip" / "cluster.yaml"
    result = run("optimize", story, "--mode", "layer2", "--format", "json")
    assert json.loads(result.stdout)["speakers"] == ["node-1", "node-3"]


def test_help_starts_without_solver_and_graphs() -> None:
    script = (
        "import sys; from optimizer.cli.main import main\n"
        "assert not {'ortools', 'networkx', 'kubernetes'} & sys.modules.keys(), 'imported too early'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_python_dash_m_is_the_same_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "optimizer", "--version"], capture_output=True, text=True, check=True)
    assert "version" in ran.stdout

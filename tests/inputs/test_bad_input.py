"""Bad input on the command line: one sentence on stderr, exit code 1, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optimizer.cli.main import main
from tests.objects import list_of, node, peer, write

DATA = Path(__file__).parent / "data"
GOOD = list_of(*(node(f"n{i}", {"rack": "r1"}) for i in (1, 2, 3)), peer("leaf-1", "10.0.0.1"))
PLACE = {
    "cut-off.json": "the JSON text is cut off (line 3)",
    "cut-off.yaml": "line 6: not valid YAML (found unexpected end of stream)",
    "gzipped.json": "the archive is damaged or cut off (",
    "deep-objects.json": "nested too deeply to be Kubernetes objects",
    "deep-dashes.yaml": "line 1: not valid YAML (nested deeper than 200 levels)",
    "alias-bomb.yaml": "line 1: not valid YAML (its aliases unfold to far too much)",
    "recursive-alias.yaml": "line 2: not valid YAML (an alias inside of what it stands for)",
    "empty.json": "the file is empty",
    "lone-surrogate.json": "not UTF-8 text",
    "python-object.yaml": "line 3: not valid YAML (could not determine a constructor for the tag",
    "duplicate-node.yaml": "Node n1: given twice, first in",
    "duplicate-pod.yaml": "Pod shop/web: given twice, first in",
    "impossible-quantity.yaml": "Node n1: status.allocatable: cpu: '4 cores' is not a Kubernetes quantity",
    "unknown-operator.yaml": "BgpPeer leaf-1: spec.nodeSelector.matchExpressions: operator 'Equals' is not one of In,",
    "shell-in-name.yaml": "'n1; reboot' cannot be the name of a Node",
    "wrong-type.yaml": "Node n1: spec.taints: expected a list, found an object",
    "no-kind.yaml": "not a Kubernetes object, it has no kind",
    "contradictory-pins.policy.yaml": "nodes: n2 is both pinned and banned",
    "unknown-key.policy.yaml": "survive[0]: unknown key 'surviors'; did you mean 'survivors'?",
    "duplicate-key.policy.json": "not valid JSON (key 'maxMoves' is given twice)",
    "unknown-key.topology.yaml": "routers[0]: unknown key 'maxSession'; did you mean 'maxSessions'?",
    "duplicate-address.topology.yaml": "routers: the address '10.0.0.1' is given twice",
}
"""The file in tests/data, named for its defect, and the sentence about it."""


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def sentence(result: Result, folder: Path) -> str:
    """The one line on stderr, after checking exit code, stdout, and that nothing was written."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert not (folder / "out").exists()
    assert result.stderr.startswith("bgp-speakers: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("bgp-speakers: ").rstrip("\n")


def arguments(file: Path, folder: Path) -> list[str | Path]:
    good = write(folder / "good.json", GOOD)
    if ".policy." in file.name:
        return ["optimize", good, "--policy", file]
    if ".topology." in file.name:
        return ["optimize", good, "--topology", file]
    return ["optimize", file]


@pytest.mark.parametrize("name", sorted(PLACE))
def test_a_file_with_a_defect_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    result = run(*arguments(DATA / name, tmp_path), "-o", tmp_path / "out" / "placement.json")
    assert sentence(result, tmp_path).startswith(f"{DATA / name}: {PLACE[name]}")


def test_a_label_that_no_node_carries_gives_no_routers(tmp_path: Path) -> None:
    file = DATA / "label-without-nodes.topology.yaml"
    told = sentence(run(*arguments(file, tmp_path), "-o", tmp_path / "out" / "placement.json"), tmp_path)
    assert told == f"{file}: routersFromLabel: no node carries the label openelb.kubesphere.io/rack"


def test_every_file_with_a_defect_is_tested() -> None:
    assert {file.name for file in DATA.iterdir()} == {*PLACE, "label-without-nodes.topology.yaml"}


@pytest.mark.parametrize("name", ["cut-off.json", "gzipped.json", "empty.json", "alias-bomb.yaml"])
def test_bad_input_from_a_pipe_is_refused_as_stdin(tmp_path: Path, name: str) -> None:
    result = run("optimize", "-", "-o", tmp_path / "out" / "placement.json", stdin=(DATA / name).read_bytes())
    assert sentence(result, tmp_path).startswith("stdin: ")


@pytest.mark.parametrize("command", ["export", "verify"])
@pytest.mark.parametrize("name", ["cut-off.json", "gzipped.json", "wrong-type.yaml", "empty.json", "deep-objects.json"])
def test_a_broken_placement_is_refused(tmp_path: Path, command: str, name: str) -> None:
    output: list[str | Path] = ["-o", tmp_path / "out"] if command == "export" else []
    result = run(command, DATA / name, write(tmp_path / "good.json", GOOD), *output)
    assert sentence(result, tmp_path).startswith(f"{DATA / name}: not a placement of version bgp-speakers/v1 (")


@pytest.mark.parametrize("option", ["--policy", "--topology"])
def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path, option: str) -> None:
    result = run("optimize", write(tmp_path / "good.json", GOOD), option, tmp_path / "none.yaml")
    assert sentence(result, tmp_path) == f"{tmp_path}/none.yaml: no such file"


def test_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert sentence(run("optimize", tmp_path / "none.json"), tmp_path) == f"{tmp_path}/none.json: no such file"
    assert sentence(run("optimize", tmp_path), tmp_path).endswith("the folder holds no .json, .yaml or .yml file")


def test_a_name_with_terminal_codes_stays_one_harmless_line(tmp_path: Path) -> None:
    file = write(tmp_path / "in.json", [node("n1"), node("\x1b[31mn2\nbgp-speakers: all is well")])
    assert sentence(run("optimize", file), tmp_path).isprintable()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_pipe_gives_the_answer_that_the_file_gives(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(GOOD)
    piped = run("optimize", "-", "--format", "json", stdin=text.replace("\n", "\r\n").encode(encoding))
    assert piped.exit_code == 0, piped.output
    assert piped.stdout == run("optimize", write(tmp_path / "good.json", text), "--format", "json").stdout

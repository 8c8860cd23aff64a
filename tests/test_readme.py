"""The README cannot rot: its commands run, its transcripts are what the examples print, its formats are read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from optimizer.inputs.placement import PlacementFile
from optimizer.inputs.policy import parse_policy
from optimizer.inputs.topology import parse_topology
from optimizer.model import Policy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_the_first_command_goes_from_nothing_to_exported_patches(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "*_cache", "__pycache__", ".hypothesis")
    shutil.copytree(ROOT, clone, ignore=ignored)
    ran = subprocess.run(["sh", "-e", "-c", SHELL[0]], cwd=clone, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (clone / "build" / "patches" / "apply.sh").exists()
    expected = (ROOT / "examples" / "2-leaf-routers" / "expected.txt").read_text().splitlines()
    assert set(ran.stdout.replace("build/", "out/").splitlines()) <= set(expected)


def test_the_gate_runs_the_second_command() -> None:
    assert "pytest" in SHELL[1]
    assert 'README.md >"$work/test.sh"' in (ROOT / ".ci" / "run").read_text()


def test_the_transcripts_are_what_the_examples_print() -> None:
    found = re.findall(r"<!-- transcript: (\S+) -->\n```text\n(.*?)```", README, re.DOTALL)
    assert len(found) == 2
    for folder, transcript in found:
        printed = (ROOT / folder / "expected.txt").read_text().splitlines()
        commands = (ROOT / folder / "run.sh").read_text()
        assert transcript.strip()
        for line in transcript.splitlines():
            if line.startswith("$ "):
                assert line.removeprefix("$ ") in commands
            else:
                printed = printed[printed.index(line) + 1 :]


def test_the_topology_shown_is_read() -> None:
    topology = parse_topology(yaml.safe_load(YAML[0]), "README.md")
    assert topology.routers[0].max_sessions == 128


def test_the_policy_shown_is_read_and_shows_the_defaults() -> None:
    shown = yaml.safe_load(YAML[1])
    parse_policy(shown, "README.md")
    plain = {key: shown[key] for key in ("speakersPerRouter", "peering", "mode", "goals", "timeLimit")}
    assert parse_policy(plain | {"bestEffort": shown["bestEffort"], "allowBreak": shown["allowBreak"]}, "") == Policy()


def test_every_field_of_the_placement_is_named() -> None:
    for name in PlacementFile.__struct_encode_fields__:
        assert f"`{name}" in README, name

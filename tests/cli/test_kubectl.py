"""`kubectl bgp-speakers`: the plugin under kubectl's name, and its completion, without and with a real kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer import __version__
from optimizer.cli.kubectl import completions
from optimizer.cli.main import main
from tests.lab.programs import MissingError, programs

OLDEST = 26
"""kubectl 1.26 is the first that asks plugins for completions."""


def names(*words: str) -> list[str]:
    return [line.partition("\t")[0] for line in completions(list(words))]


def test_the_candidates_of_commands_options_and_choices() -> None:
    assert names("") == [*sorted(main.commands), ":4"]
    assert names() == names("")
    assert names("opt") == ["optimize", ":4"]
    assert names("optimize", "--pe") == ["--peering", ":4"]
    assert names("export", "a.json", "b.json", "--style", "") == ["node-selector", "affinity", "taints", ":4"]
    assert names("nonsense", "--pe") == [":4"]


def test_the_directive_says_whether_files_or_folders_follow() -> None:
    assert names("optimize", "clus") == [":0"]
    assert names("optimize", "--topology", "") == [":0"]
    assert names("export", "p.json", "c.json", "-o", "") == [":16"]


def test_a_candidate_is_one_line() -> None:
    for command in main.commands:
        for line in completions([command, "--"])[:-1]:
            assert line.count("\t") == 1
            assert "\n" not in line


@pytest.fixture(scope="module")
def kubectl() -> Path:
    try:
        return programs()["kubectl"]
    except MissingError as error:
        found = shutil.which("kubectl")
        if found:
            command = [found, "version", "--client", "-o", "json"]
            told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            if int(told["clientVersion"]["minor"].rstrip("+")) >= OLDEST:
                return Path(found)
        pytest.skip(f"needs a kubectl of version 1.{OLDEST} or newer: {error}")


def ask(kubectl: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl where it finds the plugin, and no cluster."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "KUBECONFIG": os.devnull}
    return subprocess.run([kubectl, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.kubectl
def test_kubectl_runs_the_plugin_under_its_own_name(kubectl: Path) -> None:
    assert ask(kubectl, "bgp-speakers", "--version").stdout == f"kubectl bgp-speakers, version {__version__}\n"
    wrong = ask(kubectl, "bgp-speakers", "optimize")
    assert wrong.returncode == 2
    assert "Usage: kubectl bgp-speakers optimize" in wrong.stderr


@pytest.mark.kubectl
@pytest.mark.parametrize(
    "words", [["opt"], [""], ["optimize", "--pe"], ["optimize", "--mode", "l"], ["export", "a", "b", "-o", ""]]
)
def test_kubectl_completes_the_plugin(kubectl: Path, words: list[str]) -> None:
    done = ask(kubectl, "__complete", "bgp-speakers", *words)
    assert done.returncode == 0, done.stderr
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == names(*words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shells_completion_is_printed(shell: str) -> None:
    command = Path(sys.executable).with_name("bgp-speakers")
    environment = os.environ | {"_BGP_SPEAKERS_COMPLETE": f"{shell}_source"}
    printed = subprocess.run([command], env=environment, capture_output=True, text=True, check=True).stdout
    assert "_BGP_SPEAKERS_COMPLETE" in printed

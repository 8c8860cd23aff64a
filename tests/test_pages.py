"""The pages cannot rot: their commands run, their links lead somewhere, their transcripts are what is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from optimizer.inputs.placement import PlacementFile
from optimizer.inputs.policy import parse_policy
from optimizer.inputs.topology import parse_topology
from optimizer.model import Policy

ROOT = Path(__file__).resolve().parent.parent
IGNORED = shutil.ignore_patterns(
    ".git", ".venv", "venv", "build", "dist", "out", "*_cache", "__pycache__", ".hypothesis"
)
FOLDERS = (".github", "optimizer", "examples", "tests", "benchmarks")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
README = TEXTS["README.md"]
INPUTS = TEXTS["optimizer/inputs/README.md"]
CODE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: equal ones are numbered."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", CODE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", LINK.sub("]", heading).strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def copy(target: Path) -> Path:
    """A copy of the checkout, without what is not in the repository."""
    shutil.copytree(ROOT, target, ignore=IGNORED)
    return target


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A shell block of a page, run with the installed package's commands first in PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the checkout for all blocks; each works in files of its own."""
    return copy(tmp_path_factory.mktemp("pages") / "checkout")


SHELL = [
    pytest.param(block, id=f"{page}-{number}")
    for page, text in TEXTS.items()
    for number, block in enumerate(blocks(text, "sh"), 1)
    if page != "README.md" or number > 2
]


@pytest.mark.parametrize("block", SHELL)
def test_a_shell_block_runs(block: str, checkout: Path) -> None:
    ran = run(block, checkout)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "block", [pytest.param(each, id=page) for page, text in TEXTS.items() for each in blocks(text, "python")]
)
def test_a_python_block_runs(block: str, checkout: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", block], cwd=checkout, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_first_command_goes_from_nothing_to_exported_patches(tmp_path: Path) -> None:
    clone = copy(tmp_path / "clone")
    ran = run(blocks(README, "sh")[0], clone)
    assert ran.returncode == 0, ran.stderr
    assert (clone / "build" / "patches" / "apply.sh").exists()
    expected = (ROOT / "examples" / "2-leaf-routers" / "expected.txt").read_text().splitlines()
    assert set(ran.stdout.replace("build/", "out/").splitlines()) <= set(expected)


def test_the_gate_runs_the_second_command() -> None:
    assert "pytest" in blocks(README, "sh")[1]
    assert 'README.md >"$work/test.sh"' in (ROOT / ".ci" / "run").read_text()


def test_the_glossary_is_in_order() -> None:
    glossary = TEXTS["optimizer/README.md"].partition("\n## Glossary\n")[2]
    terms = [term.lower() for term in re.findall(r"^\| (.+?) \|", glossary, re.MULTILINE)[2:]]
    assert len(terms) > 40
    assert terms == sorted(set(terms))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_transcripts_are_what_the_examples_print() -> None:
    found = re.findall(r"<!-- transcript: (\S+) -->\n```text\n(.*?)```", "\n".join(TEXTS.values()), re.DOTALL)
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


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link of a page is to another site, or to a file of the repository and an anchor in it."""
    if link.startswith("https://"):
        return True
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(target.read_text())


@pytest.mark.parametrize("page", TEXTS)
def test_the_links_lead_somewhere(page: str) -> None:
    links = LINK.findall(CODE.sub("", TEXTS[page]))
    assert [link for link in links if not leads_somewhere(ROOT / page, link)] == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_page_names_a_path_of_some_machine(page: str) -> None:
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|usr/local|Users)\b", TEXTS[page])


def test_every_folder_of_examples_is_told_of() -> None:
    for folder in (ROOT / "examples").iterdir():
        assert not folder.is_dir() or f"({folder.name}" in TEXTS["examples/README.md"], folder.name


@pytest.mark.parametrize("page", TEXTS)
def test_the_files_that_a_page_names_exist(page: str) -> None:
    """A path is from the root, from the package, or from anywhere below the page's own folder; links say where."""
    plain = re.sub(r"\[[^\]]*\]\([^)]*\)", "", CODE.sub("", TEXTS[page]))
    names = re.findall(r"`((?:\w+/)*\w+\.py)`", plain)
    places, below = (ROOT, ROOT / "optimizer"), (ROOT / page).parent
    there = {name for name in names if any((place / name).exists() for place in places) or any(below.rglob(name))}
    assert [name for name in names if name not in there] == []


def test_the_topology_shown_is_read() -> None:
    topology = parse_topology(yaml.safe_load(blocks(INPUTS, "yaml")[0]), "the page")
    assert topology.routers[0].max_sessions == 128


def test_the_policy_shown_is_read_and_shows_the_defaults() -> None:
    shown = yaml.safe_load(blocks(INPUTS, "yaml")[1])
    parse_policy(shown, "the page")
    plain = {key: shown[key] for key in ("speakersPerRouter", "peering", "mode", "goals", "timeLimit")}
    assert parse_policy(plain | {"bestEffort": shown["bestEffort"], "allowBreak": shown["allowBreak"]}, "") == Policy()


def test_every_field_of_the_placement_is_named() -> None:
    for name in PlacementFile.__struct_encode_fields__:
        assert f"`{name}`" in INPUTS, name

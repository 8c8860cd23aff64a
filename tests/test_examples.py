"""Every example folder runs as it says and prints what it shows.

`UPDATE_EXAMPLES=1 pytest tests/test_examples.py` writes the shown output anew, to be read before it is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRESS = re.compile(r"^ *\d+\.\d s  .*\n", re.MULTILINE)
"""What a command says that takes longer than a second, as any does on a busy machine."""
NAMES = sorted(
    (path.name for path in EXAMPLES.iterdir() if (path / "run.sh").is_file()), key=lambda name: int(name.split("-")[0])
)


def tree(folder: Path) -> dict[str, str]:
    """The files below a folder by relative path, but for functions.sh, which is the same in every export."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "functions.sh")
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_the_example_prints_and_exports_what_it_shows(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("out"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-e", "run.sh"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = PROGRESS.sub("", ran.stdout)
    if os.environ.get("UPDATE_EXAMPLES"):
        (EXAMPLES / name / "expected.txt").write_text(printed)
        shutil.rmtree(EXAMPLES / name / "expected", ignore_errors=True)
        if (folder / "out" / "patches").exists():
            ignored = shutil.ignore_patterns("functions.sh")
            shutil.copytree(folder / "out" / "patches", EXAMPLES / name / "expected", ignore=ignored)
    assert printed == (EXAMPLES / name / "expected.txt").read_text()
    assert ran.returncode == 0
    shown = EXAMPLES / name / "expected"
    assert tree(folder / "out" / "patches") == (tree(shown) if shown.exists() else {})


def test_the_examples_name_every_way_of_the_openelb_page() -> None:
    assert NAMES[:7] == [
        "1-one-router",
        "2-leaf-routers",
        "3-multi-router",
        "4-node-selector",
        "5-node-affinity",
        "6-taints",
        "7-layer2-vip",
    ]

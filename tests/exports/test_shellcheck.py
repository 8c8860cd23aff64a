"""What is written as shell has nothing that shellcheck objects to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from optimizer.exports.export import FORMATS, Format, export
from optimizer.exports.script import functions
from optimizer.plan.plan import make_plan
from tests.exports.export_shell import moving_with, written


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on this machine")
@pytest.mark.parametrize("format_", FORMATS)
def test_the_scripts_of_an_export_pass_shellcheck(format_: Format, tmp_path: Path) -> None:
    folder = written(tmp_path, export(make_plan(*moving_with("taints")), format_))
    scripts = sorted(str(path) for path in folder.rglob("*.sh"))
    assert len(scripts) >= 3
    done = subprocess.run(["shellcheck", "-s", "sh", *scripts], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_functions_sh_comes_with_the_package() -> None:
    assert functions().startswith("# shellcheck shell=sh\n")
    assert "restart_speakers()" in functions()

"""An export goes into its folder whole or not at all."""

import os
import re
from pathlib import Path

import pytest

from optimizer.errors import OutputError
from optimizer.exports.export import LIST, MARK, Export, export
from optimizer.plan.plan import make_plan
from tests.exports.export_shell import (
    moving_with,
)

# The files.


def test_write_makes_the_folder_with_executable_scripts(tmp_path: Path) -> None:
    result = export(make_plan(*moving_with("taints")), "kubectl")
    result.write(tmp_path / "deep" / "out")
    found = {
        str(path.relative_to(tmp_path / "deep/out")): path
        for path in (tmp_path / "deep/out").rglob("*")
        if path.is_file()
    }
    assert {name: path.read_text() for name, path in found.items()} == result.files
    assert {name for name, path in found.items() if os.access(path, os.X_OK)} == result.executable
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_write_replaces_an_earlier_export_and_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(make_plan(*moving_with("taints")), "kubectl").write(tmp_path / "out")
    second = export(make_plan(*moving_with("affinity")), "helm")
    second.write(tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(
        second.files
    )


@pytest.mark.parametrize("foreign", ["notes.txt", "README.txt", "component/extra.yaml"])
def test_write_refuses_a_folder_with_anything_else(tmp_path: Path, foreign: str) -> None:
    result = export(make_plan(*moving_with("taints")), "kustomize")
    if foreign.startswith("component"):
        result.write(tmp_path)
    (tmp_path / foreign).write_text("mine\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=re.escape(str(tmp_path))):
        result.write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_write_refuses_a_file_and_leaves_nothing_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    with pytest.raises(OutputError, match="is not a folder"):
        export(make_plan(*moving_with("taints")), "kubectl").write(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be"):
        export(make_plan(*moving_with("taints")), "kubectl").write(tmp_path / "file" / "out")
    broken = Export({"a": "1\n", "a/b": "2\n"})
    with pytest.raises(OutputError, match="cannot be written"):
        broken.write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("foreign", ["link", "patches/link", "empty", "patches/a/b"])
def test_a_foreign_link_or_empty_folder_in_an_export_is_kept(tmp_path: Path, foreign: str) -> None:
    result, out = (
        Export({"README.txt": f"{MARK}\n\n{LIST}\n  README.txt\n  patches/x\n", "patches/x": ""}),
        tmp_path / "o",
    )
    result.write(out)
    result.write(out)
    (tmp_path / "mine").mkdir()
    if foreign.endswith("link"):
        (out / foreign).symlink_to(tmp_path / "mine")
    else:
        (out / foreign).mkdir(parents=True)
    with pytest.raises(OutputError, match="which is not of the export; move it or name another folder"):
        result.write(out)
    assert (out / foreign).is_dir()


def test_a_large_foreign_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("was searched"))
    with pytest.raises(OutputError, match="is not empty and no earlier export; name another folder"):
        Export({"a": "1\n"}).write(tmp_path)


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match="is a symbolic link that leads back to itself"):
        Export({"a": "1\n"}).write(tmp_path / "loop")

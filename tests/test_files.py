"""Files that we write: whole or not at all, whatever stands in their place and whoever may read them."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from optimizer.errors import OutputError
from optimizer.files import write_file, write_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_as_readable_as_the_umask_says_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    for data in (b"first", b"second"):
        old = os.umask(0o027)
        try:
            write_file(target, data)
        finally:
            os.umask(old)
        assert (target.read_bytes(), mode(target)) == (data, 0o640)
    assert list(target.parent.iterdir()) == [target]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "else" / "target"
    link.symlink_to(target)
    write_file(link, b"data")
    assert link.is_symlink()
    assert target.read_bytes() == b"data"


def test_a_pipe_and_a_device_are_written_to(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"data")
    reader.join()
    assert (found, pipe.is_fifo()) == ([b"data"], True)
    write_file(Path("/dev/null"), b"data")
    with pytest.raises(OutputError, match=r"^/dev/full: cannot be written \(No space left on device\)$"):
        write_file(Path("/dev/full"), b"data")


@pytest.mark.parametrize("name", ["a" * 255, "\u00e4" * 127, "\u20ac" * 85])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_file(tmp_path / name, b"data")
    write_folder(tmp_path / "x" / name, {"file": "data"})
    assert ((tmp_path / name).read_bytes(), (tmp_path / "x" / name / "file").read_text()) == (b"data", "data")


def test_a_folder_that_may_be_written_but_not_read_will_do() -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o711)
        folder = Path(base) / "drop"
        folder.mkdir()
        folder.chmod(0o333)
        user = os.geteuid()
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            write_file(folder / "file", b"data")
            assert (folder / "file").read_bytes() == b"data"
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


def test_an_interrupt_between_the_two_renames_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "folder", Path.rename
    write_folder(target, {"a": "old"})

    def interrupted(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, to)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_folder(target, {"a": "new"})
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]

"""Files that we write: whole or not at all, whatever stands in their place and whoever may read them."""

from __future__ import annotations

import errno
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


def test_a_link_to_itself_and_what_is_no_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, sentence in (
        ("loop", "is a symbolic link that leads back to itself"),
        ("loop/x", "cannot be written"),
        ("a\0b", "cannot be the name of a file"),
        ("\ud800", "cannot be the name of a file"),
    ):
        with pytest.raises(OutputError, match=sentence):
            write_file(tmp_path / name, b"data")
        with pytest.raises(OutputError, match=sentence):
            write_folder(tmp_path / name, {"file": "data"})
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
    assert (tmp_path / "loop").is_symlink()


def test_a_mount_point_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"^/proc: is a mount point; name a folder in it$"):
        write_folder(Path("/proc"), {"file": "data"})
    (tmp_path / "folder").mkdir()

    def busy(self: Path, _: Path) -> Path:
        raise OSError(errno.EBUSY, "Device or resource busy", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", busy)
        with pytest.raises(OutputError, match=r"folder: is a mount point; name a folder in it$"):
            write_folder(tmp_path / "folder", {"file": "data"})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

"""Every file that we write is written here: whole or not at all, and on the disk before the caller goes on."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from secrets import token_hex

from .errors import InputError, OutputError

NOT_SYNCED = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""What a folder says that we may write to but not read, or whose file system cannot have it written to the disk."""


def path_of(given: str | Path, what: str) -> Path:
    """A path that somebody gave; `what` says what for. Raises InputError for what is none."""
    if not isinstance(given, str | Path):
        raise InputError(f"{what}: expected a path, got {type(given).__name__}")
    if given == "":
        raise InputError(f"{what}: the path is empty")
    return Path(given)


def real_path(path: Path) -> Path:
    """The path without links. Raises OutputError where there is none."""
    try:
        target = Path(os.path.realpath(path))
        looped = target.is_symlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
    except ValueError:  # a NUL in it, or half of a surrogate pair
        raise OutputError(f"{path}: cannot be the name of a file") from None
    if looped:
        raise OutputError(f"{path}: is a symbolic link that leads back to itself")
    return target


def write_file(path: Path, data: bytes) -> None:
    """Write the file; links are followed, devices and pipes written to, folders made. Raises OutputError."""
    target = real_path(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f"{hidden(target)}{token_hex(4)}")
        try:
            write_synced(beside, data)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_folder(directory: Path, files: Mapping[str, str], executable: Collection[str] = ()) -> None:
    """Put files, by relative path, into `directory` in the place of all that is in it; on an error nothing has
    changed. Raises OutputError."""
    target = real_path(directory)
    temporary: Path | None = None
    try:
        if target.is_mount():
            raise OutputError(f"{directory}: is a mount point; name a folder in it")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=hidden(target), dir=target.parent))
        fresh, old = temporary / "new", temporary / "old"
        fresh.mkdir()
        for name, text in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_synced(path, text.encode())
            if name in executable:
                mode = path.stat().st_mode
                path.chmod(mode | (mode & 0o444) >> 2)
        for folder in {(fresh / name).parent for name in files} | {fresh}:
            sync_folder(folder)
        try:
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        except BaseException:  # Ctrl-C too: what was there goes away below
            if old.exists() and not target.exists():
                old.rename(target)
            raise
        sync_folder(target.parent)
    except OSError as error:
        if error.errno == errno.EBUSY:  # mounted from the same file system
            raise OutputError(f"{directory}: is a mount point; name a folder in it") from None
        raise OutputError(f"{directory}: cannot be written ({error.strerror or error})") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def hidden(target: Path) -> str:
    """How a name beside the target begins until it takes the target's place; short enough where that is not."""
    return f".{target.name[:50]}."


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file, and have it on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have what was renamed in a folder on the disk, where its file system can."""
    try:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if error.errno not in NOT_SYNCED:
            raise

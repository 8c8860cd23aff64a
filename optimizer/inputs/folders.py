"""INPUT -> texts: files, folders, archives and stdin, each text with the name under which messages speak of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from ..errors import InputError
from .archives import NOT_READ, READ, NothingPackedError, hidden, unpack
from .notes import Notes
from .text import Text, read_text


class Source(Struct, frozen=True):
    """A text to read objects from.

    `found` in a folder or an archive, where other files may stand too; a `page` is one of a list that is complete
    with others. `again` reads the text once more, so that it need not be kept.
    """

    name: str
    text: Text
    found: bool = False
    page: bool = False
    again: Callable[[], Text] | None = None


def sources(inputs: Sequence[str], notes: Notes) -> Iterator[Source]:
    """The texts of files, folders and stdin (`-`); the same file is read once. Raises InputError."""
    seen: set[str] = set()
    for given in inputs:
        if given == "-":
            if sys.stdin is None:
                raise InputError("-: there is no standard input")
            yield from opened("stdin", sys.stdin.buffer.read(), notes)
            continue
        path = Path(given)
        found = path.is_dir()
        for file in walk(path, notes) if found else [path]:
            content = read_text(file)
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield from opened(str(file), content, notes, found, partial(read_text, file))


def opened(
    name: str, text: Text, notes: Notes, found: bool = False, again: Callable[[], Text] | None = None
) -> Iterator[Source]:
    """A text, or those that are packed in it."""
    try:
        packed = unpack(text, name, notes)
    except NothingPackedError:
        if not found:
            raise
        notes.passed_over.append(name)
        return
    if packed is None:
        yield Source(name, text, found, again=again)
    for place, content in packed or ():
        yield Source(place, content, found or place != name)


def walk(folder: Path, notes: Notes) -> list[Path]:
    """The files in a folder and below that are read, sorted; hidden ones are not. Raises InputError where none is."""
    files: list[Path] = []
    for file in folder.rglob("*"):
        wanted = READ.search(file.name)
        if not wanted and not NOT_READ.search(file.name):
            continue
        if hidden(file.relative_to(folder).parts) or not (file.is_file() or file.is_symlink()):
            continue
        if wanted:
            files.append(file)
        else:
            notes.packed.append(str(file))
    if not files:
        raise InputError(f"{folder}: the folder holds no .json, .yaml or .yml file{notes.told()}")
    return sorted(files)

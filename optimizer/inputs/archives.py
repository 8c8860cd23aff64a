"""Packed text: gzip and tar, told by their first bytes. All is done in memory, so that no name in them does harm."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from ..errors import InputError
from .notes import Notes
from .text import Text

READ = re.compile(r"\.(json|ya?ml)(\.gz)?$|\.(tar(\.gz)?|tgz)$", re.IGNORECASE)
"""The endings of files that are read where they are found in a folder or an archive."""

NOT_READ = re.compile(r"\.(json|ya?ml|tar)\.(xz|bz2|zst|lz4|zip|7z)$|\.(zip|txz|tbz2?|tzst)$", re.IGNORECASE)
"""The endings of files that may hold objects, but are packed in a way that is not read."""

GZIP = b"\x1f\x8b"
TAR_AT, TAR = 257, (b"ustar\x0000", b"ustar  \x00")
TAR_NAME = re.compile(r"\.(tar(\.gz)?|tgz)$", re.IGNORECASE)
OTHERS = {b"PK\x03\x04": "zip", b"\xfd7zXZ\x00": "xz", b"BZh91AY": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
BLOCK, CHUNK = 512, 2**20

FREELY = 64 * 2**20
MOST_TIMES = 400
"""Text may unpack to `FREELY` bytes, and to more up to so many times its size: 1 GB of equal nodes is 100 times what it
is packed, a bomb over 1,000 times."""

DEEPEST = 3
"""Archives within archives that are read."""


class View(io.RawIOBase):
    """A text as a file that is read once, from its start."""

    def __init__(self, text: Text) -> None:
        self.text, self.at = memoryview(text), 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as there is text."""
        part = self.text[self.at : self.at + len(buffer)]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


class Stream:
    """What a text unpacks to, chunk by chunk. Raises InputError where that is far too much."""

    def __init__(self, text: Text, name: str) -> None:
        self.name, self.packed = name, View(text)
        self.file: IO[bytes] = cast("IO[bytes]", self.packed)
        if self.packed.text[:2] == GZIP:
            self.file = cast("IO[bytes]", gzip.GzipFile(fileobj=self.file, mode="rb"))
        self.length = 0
        self.last = self.head = self.take(TAR_AT + 8)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        chunk = self.file.read(size)
        self.length += len(chunk)
        if self.length > max(FREELY, MOST_TIMES * self.packed.at):
            raise too_much(self.name)
        return chunk

    def read(self, size: int) -> bytes:
        """The next bytes, those of the head among them, up to the end; `last` are the last ones that there were."""
        chunk, self.head = self.head[:size], self.head[size:]
        while len(chunk) < size and (more := self.take(size - len(chunk))):
            chunk += more
        self.last = chunk or self.last
        return chunk

    def whole(self) -> Text:
        """All of the text."""
        gathered = io.BytesIO()
        while chunk := self.read(CHUNK):
            gathered.write(chunk)
        return gathered.getbuffer()


def too_much(name: str) -> InputError:
    """What is said of a bomb."""
    return InputError(f"{name}: unpacks to over {MOST_TIMES} times its size, which no dump of a cluster does")


class NothingPackedError(InputError):
    """An archive is sound, but holds no file that is read."""


def unpack(text: Text, name: str, notes: Notes, depth: int = 0) -> Iterator[tuple[str, Text]] | None:
    """The texts in a packed one, each with the name of its place; None where the text is not packed.

    Raises InputError for what is damaged, cut off, or unpacks to far too much; it may do so for each text of an
    archive only when that is reached. Raises NothingPackedError.
    """
    is_tar = text[TAR_AT : TAR_AT + 8] in TAR
    if not is_tar and text[:2] != GZIP:
        for magic, packing in OTHERS.items():
            if text[: len(magic)] == magic:
                raise InputError(f"{name}: packed by {packing}, which is not read; unpack it, or pack it with gzip")
        return None
    if depth > DEEPEST:
        raise InputError(f"{name}: an archive in more than {DEEPEST} others")
    with damage(name):
        stream = Stream(text, name)
        if not is_tar and stream.head[TAR_AT : TAR_AT + 8] not in TAR and not (stream.head and TAR_NAME.search(name)):
            return iter([(name, stream.whole())])
        found = members(stream, max(FREELY, MOST_TIMES * len(text)), notes)
    if not found:
        raise NothingPackedError(f"{name}: the archive holds no .json, .yaml or .yml file{notes.told()}")
    return each(found, name, notes, depth)


def each(found: dict[tuple[str, ...], bytes], name: str, notes: Notes, depth: int) -> Iterator[tuple[str, Text]]:
    """The members of an archive in order, packed ones unpacked."""
    for path in sorted(found):
        place = f"{name}: {'/'.join(path)}"
        try:
            yield from unpack(found[path], place, notes, depth + 1) or [(place, found[path])]
        except NothingPackedError:
            notes.passed_over.append(place)


def members(stream: Stream, most: int, notes: Notes) -> dict[tuple[str, ...], bytes]:
    """The files in a tar whose endings are read, by the parts of their path; of several of one path the last."""
    found: dict[tuple[str, ...], bytes] = {}
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar:
        for member in tar:
            path = tuple(part for part in member.name.split("/") if part not in ("", "."))
            if not member.isreg() or not path or hidden(path):
                continue
            if NOT_READ.search(path[-1]):
                notes.packed.append(f"{stream.name}: {'/'.join(path)}")
            if not READ.search(path[-1]):
                continue
            if not 0 <= member.size <= most:  # a sparse file has any size
                raise too_much(stream.name)
            content = tar.extractfile(member)
            found[path] = content.read() if content else b""
    if stream.last[-BLOCK:].strip(b"\0"):  # a tar ends with empty blocks
        raise EOFError("it ends too early")
    while chunk := stream.read(CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("there is more behind its end")
    return found


def hidden(path: tuple[str, ...]) -> bool:
    """Whether a file or a folder on the way to it is hidden, as what macOS adds to each file of a tar.

    >>> hidden(("dump", "._nodes.json")), hidden(("..", "dump", "nodes.json"))
    (True, False)
    """
    return any(part.startswith(".") and part != ".." for part in path)


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Raise InputError for whatever a damaged archive makes its readers raise."""
    try:
        yield
    except (EOFError, OSError, zlib.error, tarfile.TarError, ValueError, LookupError, ArithmeticError) as error:
        raise InputError(f"{name}: the archive is damaged or cut off ({error})") from None

"""What is noticed about the files of an input, reported once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from ..findings import Finding
from ..words import are, listed, plural


class Notes(Struct):
    """The files that were empty, those that hold no object, and those that are packed in a way that is not read; the
    objects that came in several versions, and those that came whole and trimmed."""

    empty: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    trimmed: list[str] = field(default_factory=list)

    def told(self) -> str:
        """What is to be reported, as the end of a sentence."""
        return "".join(f"; {finding}" for finding in self.findings())

    def findings(self) -> list[Finding]:
        """What is to be reported."""
        found: list[Finding] = []
        if self.empty:
            number = len(self.empty)
            told = f"{plural(number, 'file')} {are(number)} empty and passed over: {names(self.empty)}"
            found.append(Finding("file-empty", told))
        if self.passed_over:
            number = len(self.passed_over)
            hold = "holds" if number == 1 else "hold"
            told = f"{plural(number, 'file')} {hold} no Kubernetes object that is read, and {are(number)} passed over"
            found.append(Finding("file-passed-over", f"{told}: {names(self.passed_over)}"))
        if self.packed:
            number = len(self.packed)
            told = f"{plural(number, 'file')} {are(number)} packed in a way that is not read, and passed over"
            what = "it" if number == 1 else "them"
            advice = f"unpack {what}, or pack {what} with gzip"
            found.append(Finding("file-packed", f"{told}: {names(self.packed)}; {advice}"))
        if self.versions:
            told = f"{counted(self.versions)} came in several versions, of which the newest counts"
            found.append(Finding("watch-stream", told, one(self.versions)))
        if self.trimmed:
            number = len(set(self.trimmed))
            told = f"{counted(self.trimmed)} {are(number)} given whole and trimmed, of which the whole one counts"
            found.append(Finding("object-trimmed", told, one(self.trimmed)))
        return found


def counted(objects: Sequence[str]) -> str:
    """So many objects, one of them by name.

    >>> counted(["Node n1"]), counted(["Node n2", "Node n1"])
    ('Node n1', '2 objects, such as Node n1,')
    """
    return one(objects) or f"{plural(len(set(objects)), 'object')}, such as {min(objects)},"


def one(objects: Sequence[str]) -> str:
    """The object, where it is just one, else ""."""
    return objects[0] if len(set(objects)) == 1 else ""


def names(files: list[str]) -> str:
    """The first few of the files, sorted, as printable text."""
    shown = listed(sorted(files), 3)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)

"""What is noticed about the files of an input, reported once for all of them."""

from __future__ import annotations

from msgspec import Struct, field

from ..findings import Finding
from ..words import are, listed, plural


class Notes(Struct):
    """The files that were empty, those that hold no object, and how many objects came in several versions."""

    empty: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    versions: int = 0

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
        if self.versions:
            told = f"{plural(self.versions, 'object')} came in several versions, of which the newest counts"
            found.append(Finding("watch-stream", told))
        return found


def names(files: list[str]) -> str:
    """The first few of the files, sorted, as printable text."""
    shown = listed(sorted(files), 3)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)

"""What a run tells while it works, before its answer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

Tell = Callable[[object], None]
"""Takes what is told: sentences, and `News`; the str() of each is fit to print."""


class News(Struct, frozen=True):
    """A better value or bound of a goal, in component `part` of `parts`; `value` is None before the first placement."""

    goal: str
    value: int | None
    bound: int
    part: int = 1
    parts: int = 1

    def __str__(self) -> str:
        found = "none found" if self.value is None else f"{self.value} found"
        where = f" (component {self.part} of {self.parts})" if self.parts > 1 else ""
        return f"{self.goal}: {found}, at least {self.bound} needed{where}"


def silent(_: object) -> None:
    """Tells nobody."""

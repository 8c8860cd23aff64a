"""What every peer takes and gives back."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from optimizer.model import Session

Tell = Callable[[str, int | None, int | None], None]
"""Takes a goal, a better value of it and a better bound; None where there is no news of one of them."""


class Answer(Struct, frozen=True):
    """Speakers and sessions, empty where none were found; the proved bounds of the goals, in order, None where there is
    none. `seconds` is set where the answer was there before the peer came back, `solver` where only a part of that was
    spent on solving."""

    speakers: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    bounds: tuple[int | None, ...] = ()
    infeasible: bool = False
    seconds: float | None = None
    solver: float | None = None


class Clock:
    """The time that is left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.perf_counter() + seconds

    def left(self) -> float:
        """Seconds until the end, at least none."""
        return max(0.0, self.end - time.perf_counter())

"""The time limit of a search, and of its parts; Ctrl-C ends it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """What is left of the time limit; a part of it has a clock of its own."""

    def __init__(self, seconds: float, whole: Clock | None = None) -> None:
        self.end, self.whole = time.monotonic() + seconds, whole

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.end or (self.whole is not None and self.whole.over)

    def left(self) -> float:
        """Seconds left, never less than a moment, so that a search can still say what it knows."""
        left = max(0.05, self.end - time.monotonic())
        return min(left, self.whole.left()) if self.whole else left

    def stop(self) -> None:
        """End the time now, also that of the parts."""
        self.end = -math.inf

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens meanwhile takes no time, neither of this clock nor of those that it is a part of."""
        start = time.monotonic()
        yield
        gone = time.monotonic() - start
        clock: Clock | None = self
        while clock:
            clock.end += gone
            clock = clock.whole


@contextmanager
def ended_by_ctrl_c(clock: Clock) -> Iterator[None]:
    """The first Ctrl-C ends the time, so that the best placement so far comes out; the second is as always."""
    usual = signal.getsignal(signal.SIGINT)

    def end(number: int, _: object) -> None:
        clock.stop()
        signal.signal(number, usual)

    # Elsewhere than in the main thread no signal arrives, and a handler of somebody else's stays theirs.
    if threading.current_thread() is not threading.main_thread() or usual is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)

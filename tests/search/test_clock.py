"""The time limit of a search and of its parts."""

from __future__ import annotations

import time

from optimizer.search.clock import Clock


def test_a_part_is_over_with_the_whole() -> None:
    whole = Clock(60)
    part = Clock(30, whole)
    assert not part.over
    assert 29 < part.left() <= 30
    whole.stop()
    assert part.over
    assert 0 < part.left() < 1


def test_a_pause_takes_no_time_of_the_part_nor_of_the_whole() -> None:
    whole = Clock(60)
    part = Clock(30, whole)
    ends = part.end, whole.end
    with part.paused():
        time.sleep(0.05)
    assert part.end - ends[0] >= 0.05
    assert whole.end - ends[1] >= 0.05


def test_a_clock_that_is_stopped_in_a_pause_stays_so() -> None:
    clock = Clock(60)
    with clock.paused():
        clock.stop()
    assert clock.over

"""What is read from results: gaps, times, ratios."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks.instance import Cell
from benchmarks.markdown import table
from benchmarks.result import Point, Result, Status, best, first, gap, proof
from benchmarks.table import row, summary

GOALS = ("sessions", "speakers")


def result(peer: str, seconds: float, values: tuple[int, ...], bounds: tuple[int | None, ...], size: int = 1) -> Result:
    status: Status = "optimal" if values == bounds else "feasible"
    cell = Cell("dual-tor", size, "selected")
    return Result(cell, "dual-tor", peer, status, GOALS, values, bounds, seconds=seconds)


@pytest.mark.parametrize(
    ("values", "bounds", "expected"),
    [((8, 4), (8, 4), 0.0), ((8, 4), (8, 3), 0.25), ((8, 4), (6, 4), 0.25), ((8, 4), (8, None), None)],
)
def test_gap_is_that_of_the_first_goal_not_proved(
    values: tuple[int, ...], bounds: tuple[int | None, ...], expected: float | None
) -> None:
    assert gap(result("ours", 1, values, bounds)) == expected


def test_times_come_from_the_trajectory() -> None:
    points = (
        Point(0.1, "sessions", None, 3),
        Point(0.2, "sessions", 9, 3),
        Point(0.5, "sessions", 8, 8),
        Point(0.6, "speakers", 4, None),
        Point(0.9, "speakers", 4, 4),
    )
    told = Result(Cell("f", 1, "selected"), "f", "ours", "optimal", GOALS, (8, 4), (8, 4), None, None, 1.0)
    assert (first(told), best(told), proof(told)) == (1.0, 1.0, 1.0)
    told = replace(told, trajectory=points)
    assert (first(told), best(told), proof(told)) == (0.2, 0.6, 1.0)


def test_an_invalid_answer_is_not_ranked() -> None:
    wrong = Result(Cell("f", 1, "selected"), "f", "greedy", "invalid", GOALS, note="1 violations: ...", seconds=1.0)
    assert (gap(wrong), first(wrong), best(wrong), proof(wrong)) == (None,) * 4
    assert "invalid" in row(wrong)


def test_ratios_say_where_the_limit_counts() -> None:
    results = [
        result("ours", 1.0, (8, 4), (8, 4)),
        result("plain", 4.0, (8, 4), (8, 4)),
        result("ours", 1.0, (8, 4), (8, 4), size=2),
        result("plain", 60.0, (9, 4), (8, None), size=2),
        result("greedy", 0.1, (12, 6), (None, None), size=2),
    ]
    lines = summary(results, limit=64.0)
    assert lines == [
        "time to proof of plain / ours, geometric mean: >= 16.0 over 2 instances (1 proved by ours alone, 0 by the "
        "peer alone, where the limit counts for the other; 4.0 over the 1 proved by both)",
        "time to proof of the best peer / ours, geometric mean: >= 16.0 over 2 instances (1 proved by ours alone, 0 by "
        "the peer alone, where the limit counts for the other; 4.0 over the 1 proved by both)",
        "time to proof of the best peer, where it or ours takes more than 0.1 s, / ours, geometric mean: >= 16.0 over "
        "2 instances (1 proved by ours alone, 0 by the peer alone, where the limit counts for the other; 4.0 over the "
        "1 proved by both)",
        "a peer proved faster (of instances whose proof takes ours or it more than 0.1 s): none",
        "a peer's value is better: none",
        "a peer's gap is smaller: none",
    ]


def test_a_table_for_readers() -> None:
    results = [
        result("ours", 1.5, (8, 4), (8, 4)),
        result("plain", 60.0, (8, 5), (8, 4)),
        result("greedy", 0.1, (12, 6), (None, None)),
        Result(Cell("dual-tor", 1, "selected"), "dual-tor", "scip", "none", GOALS),
    ]
    assert table(results) == [
        "| instance | peering | nodes | best | ours | plain | greedy | scip |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        "| dual-tor | selected | 0 | 8/4 | 1.500 s | 8/5, gap 20% | 12/6, no bound | nothing found |",
    ]


def test_where_a_peer_wins_is_told() -> None:
    results = [
        result("ours", 3.0, (8, 5), (8, 4)),
        result("highs", 2.0, (8, 4), (8, 4)),
        result("greedy", 0.1, (8, 4), (None, None)),
    ]
    lines = summary(results, limit=8.0)
    assert lines[0].startswith("time to proof of highs / ours, geometric mean: about 0.2 over 1 instances")
    assert [line.rpartition(": ")[2] for line in lines[-4:-1]] == ["dual-tor 1 selected"] * 3
    assert lines[-1].endswith("better than that of every peer on 0 of 1")

"""Covering programs against enumeration: bounds below, first choices above, and the search exactly at the optimum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from optimizer.progress import News, silent
from optimizer.search.clock import Clock
from optimizer.search.covering.descent import cover
from optimizer.search.covering.greedy import greedy, plain_cover
from optimizer.search.covering.local_search import LocalSearch
from optimizer.search.covering.lp_bounds import SCALE, Prices, from_prices, narrowed, relax, with_goal_at_most
from optimizer.search.covering.program import Covering, Linear, Row, weighed, without_dominated
from optimizer.search.cp_sat_search import CpSatSearch, ProgressCallback
from optimizer.search.goals import LinearGoal

MOST_COLUMNS = 7


@st.composite
def rows(draw: st.DrawFn, columns: int, most: int, least: int = 0) -> tuple[Row, ...]:
    """Some rows or caps over so many columns."""
    members = st.sets(st.integers(0, columns - 1), min_size=1)
    row = st.builds(lambda chosen, number: Row(tuple(sorted(chosen)), number), members, st.integers(least, most))
    return tuple(draw(st.lists(row, max_size=4)))


@st.composite
def programs(draw: st.DrawFn, plain: bool = False) -> tuple[Covering, list[LinearGoal]]:
    """A small covering program with goals as they come: counts, costs, and moves, which are negative for some."""
    columns = draw(st.integers(1, MOST_COLUMNS))
    upper = tuple(draw(st.lists(st.integers(1, 1 if plain else 2), min_size=columns, max_size=columns)))
    lower = tuple(0 if plain or draw(st.integers(0, 5)) else min(1, high) for high in upper)
    some = st.lists(st.integers(0 if plain else -1, 4), min_size=columns, max_size=columns)
    goals = [LinearGoal("a", tuple(map(abs, draw(some)))), LinearGoal("b", tuple(draw(some)), draw(st.integers(0, 3)))]
    factors = st.lists(st.integers(-1, 2), min_size=columns, max_size=columns)
    linear = () if plain or draw(st.integers(0, 2)) else (Linear(tuple(range(columns)), tuple(draw(factors)), 3),)
    covering = Covering(
        lower,
        upper,
        draw(rows(columns, 1, 1)) if plain else draw(rows(columns, 3)),
        draw(rows(columns, 1, 1)),
        () if plain else draw(rows(columns, 3)),
        linear,
    )
    return covering, goals


def every(covering: Covering) -> Iterator[tuple[int, ...]]:
    """All choices that keep every rule."""
    ranges = [range(low, high + 1) for low, high in zip(covering.lower, covering.upper, strict=True)]
    return (x for x in product(*ranges) if covering.keeps(x))


def best(covering: Covering, goals: Sequence[LinearGoal]) -> list[int] | None:
    """The lexicographically least values."""
    return min(([goal.value(x) for goal in goals] for x in every(covering)), default=None)


@settings(max_examples=300, deadline=None)
@given(programs(), st.booleans())
def test_the_search_reaches_and_proves_the_optimum(
    program: tuple[Covering, list[LinearGoal]], from_today: bool
) -> None:
    covering, goals = program
    running = covering.upper if from_today else covering.lower
    found = cover(covering, goals, running, Clock(60), silent)
    values = best(covering, goals)
    if found is None:
        assert values is None
    else:
        assert covering.keeps(found.x)
        assert [goal.value(found.x) for goal in goals] == list(found.bounds) == values


@settings(max_examples=150, deadline=None)
@given(programs())
def test_a_relaxation_is_below_every_choice_and_narrowing_loses_none(
    program: tuple[Covering, list[LinearGoal]],
) -> None:
    covering, goals = program
    choices = list(every(covering))
    if not choices:
        return
    for goal in goals:
        relaxation = relax(covering, goal, Clock(10))
        assert relaxation.least(goal) <= min(goal.value(x) for x in choices)
        for most in {goal.value(x) for x in choices}:
            core = narrowed(covering, goal, relaxation, most)
            assert core is not None
            assert all(core.keeps(x) for x in choices if goal.value(x) <= most)
            bounded = with_goal_at_most(core, goal, most)
            assert set(every(bounded)) == {x for x in choices if goal.value(x) <= most}


@settings(max_examples=150, deadline=None)
@given(programs(), st.data())
def test_any_prices_give_a_valid_bound(program: tuple[Covering, list[LinearGoal]], data: st.DataObject) -> None:
    covering, goals = program
    parts = (covering.rows, covering.survival, covering.caps, covering.linear)
    drawn = [data.draw(st.lists(st.integers(0, 5 * SCALE), min_size=len(p), max_size=len(p))) for p in parts]
    relaxation = from_prices(covering, goals[0], Prices(*map(tuple, drawn)))
    for x in every(covering):
        assert (goals[0].value(x) - goals[0].constant) * SCALE >= relaxation.bound


@settings(max_examples=150, deadline=None)
@given(programs())
def test_dominated_columns_are_not_missed(program: tuple[Covering, list[LinearGoal]]) -> None:
    covering, goals = program
    assert best(without_dominated(covering, goals), goals) == best(covering, goals)


@settings(max_examples=150, deadline=None)
@given(programs(plain=True))
def test_first_choices_keep_the_rules_where_nothing_is_capped(program: tuple[Covering, list[LinearGoal]]) -> None:
    covering, goals = program
    costs = weighed(goals, covering.upper)
    for x in (greedy(covering, costs, covering.lower), greedy(covering, costs, covering.upper)):
        assert covering.keeps(x)
    plain = plain_cover(covering, costs)
    assert plain is None or covering.keeps(plain)
    searched = LocalSearch(covering, costs, covering.upper).improve(300, lambda: False, covering.keeps)
    assert searched is not None
    assert covering.keeps(searched)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_a_local_search_keeps_its_books(program: tuple[Covering, list[LinearGoal]]) -> None:
    covering, goals = program
    search = LocalSearch(covering, [abs(cost) for cost in goals[0].costs], covering.lower)
    for _ in range(20):
        search.improve(1, lambda: False, covering.keeps)
        fresh = LocalSearch(covering, search.costs, [int(value) for value in search.x])
        assert sorted(search.missed) == sorted(fresh.missed)
        assert sorted(search.taken) == sorted(fresh.taken)
        assert search.held == fresh.held
        assert search.total == fresh.total


def steiner(size: int) -> tuple[Covering, list[LinearGoal]]:
    """Rows and columns of an irregular program: row r asks for two of the columns that are r plus a square."""
    squares = {number * number % size for number in range(1, size // 2)}
    members = [tuple(sorted((row + step) % size for step in squares)) for row in range(size)]
    return Covering((0,) * size, (1,) * size, tuple(Row(each, 2) for each in members)), [
        LinearGoal("speakers", (1,) * size)
    ]


def test_the_same_program_gives_the_same_choice() -> None:
    covering, goals = steiner(43)
    first, second = (cover(covering, goals, covering.lower, Clock(60), silent) for _ in range(2))
    assert first == second
    assert first is not None
    assert first.bounds == (goals[0].value(first.x),)


def test_a_time_limit_gives_a_choice_with_its_bound() -> None:
    covering, goals = steiner(199)
    told: list[object] = []
    found = cover(covering, goals, covering.lower, Clock(0.2), told.append)
    assert found is not None
    assert covering.keeps(found.x)
    assert found.bounds[0] <= goals[0].value(found.x)
    assert any(isinstance(news, News) for news in told)


def test_ranks_beyond_64_bits_do_not_stop_the_local_search() -> None:
    covering, _ = steiner(43)
    for power in (53, 61, 62, 63, 64, 200):
        costs = [2**power + column for column in range(43)]
        found = LocalSearch(covering, costs, covering.upper).improve(200, lambda: False, covering.keeps)
        assert found is not None
        assert sum(found) < 43


def test_what_goes_wrong_beside_a_search_comes_out() -> None:
    model = cp_model.CpModel()
    model.maximize(sum(model.new_bool_var("") for _ in range(3)))

    def broken(_: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        CpSatSearch(model, Clock(10)).run(ProgressCallback("speakers", broken))

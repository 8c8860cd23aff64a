"""Waypoints: placements in between, where old and new sessions do not fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.model import Cluster, Placement, Policy, Session, Today
from optimizer.plan.budget import make_budget
from optimizer.rollout.waypoints import Waypoint, over_limit, waypoints
from tests.exports.export_inputs import POLICY, cluster, node, placed, router

SELECTED = replace(POLICY, peering="selected")
NAMES = [f"n{number}" for number in range(6)]
ROUTERS = ["leaf-1", "leaf-2", "leaf-3"]
Sessions = dict[str, frozenset[str]]


def with_today(today: Mapping[str, Iterable[str]], limits: Mapping[str, int]) -> Cluster:
    """A cluster with these sessions and limits."""
    sessions = {name: tuple(sorted(today.get(name, ()))) for name in ROUTERS}
    speakers = tuple(sorted({node for nodes in sessions.values() for node in nodes}))
    routers = [router(number, max_sessions=limits.get(name)) for number, name in enumerate(ROUTERS, 1)]
    found = cluster([node(name) for name in NAMES], routers, running=speakers)
    return replace(found, today=Today(speakers, sessions))


def sessions_of(pairs: Iterable[Session]) -> Sessions:
    """The sessions by router."""
    found: dict[str, set[str]] = {name: set() for name in ROUTERS}
    for each in pairs:
        found[each.router].add(each.node)
    return {name: frozenset(nodes) for name, nodes in found.items()}


@st.composite
def moves(draw: st.DrawFn) -> tuple[Cluster, Placement, Policy]:
    """Sessions today and sessions wanted, each router within its limit in the end; and most often today."""
    policy = draw(st.sampled_from([POLICY, SELECTED]))
    subsets = st.frozensets(st.sampled_from(NAMES), max_size=5)
    if policy.peering == "selected":
        today, wanted = ({name: draw(subsets) for name in ROUTERS} for _ in range(2))
    else:
        # A speaker peers with all routers that its node is attached to.
        attached = {name: draw(st.frozensets(st.sampled_from(NAMES), min_size=1)) for name in ROUTERS}
        now, then = draw(subsets), draw(subsets)
        today, wanted = ({name: attached[name] & speakers for name in ROUTERS} for speakers in (now, then))
    limits = {
        name: max(1, len(wanted[name]), len(today[name]) - draw(st.sampled_from([0, 0, 0, 1])))
        + draw(st.sampled_from([0, 0, 1]))
        for name in ROUTERS
        if draw(st.booleans())
    }
    placement = placed(*((node, name) for name, nodes in wanted.items() for node in nodes))
    return with_today(today, limits), placement, policy


def check_waypoint(before: Sessions, point: Waypoint, limits: Mapping[str, int | None], last: bool) -> Sessions:
    """Check one waypoint; the sessions after it."""
    opens, closes = sessions_of(point.opens), sessions_of(point.closes)
    assert bool(point.opens) != bool(point.closes)
    after = {}
    for name in ROUTERS:
        limit = limits[name]
        assert not opens[name] & before[name]
        assert closes[name] <= before[name]
        assert len(closes[name]) <= 1
        after[name] = before[name] - closes[name] | opens[name]
        if opens[name] and limit is not None:
            assert len(after[name]) <= limit
        if closes[name] and not after[name]:
            assert limit == 1 or last
    reached = sessions_of(point.placement.sessions)
    assert all(reached[name] <= after[name] if last else reached[name] == after[name] for name in ROUTERS)
    assert set(point.placement.speakers) >= {each.node for each in point.placement.sessions}
    return after


@settings(deadline=None, max_examples=600)
@given(moves())
def test_each_waypoint_is_small_and_the_last_one_is_the_placement(move: tuple[Cluster, Placement, Policy]) -> None:
    found, placement, policy = move
    limits = {each.name: each.max_sessions for each in found.routers}
    now = {name: frozenset(nodes) for name, nodes in found.today.sessions.items()}
    fits = not over_limit(make_budget(found, policy, placement))
    try:
        way = waypoints(found, policy, placement)
    except InputError:
        assert not fits
        return
    assert (way == ()) == fits
    wanted = sessions_of(placement.sessions)
    # A router is short of one session at a time, below what it has today or gets, whichever is less.
    least = {name: min(len(now[name]), len(wanted[name]), limits[name] or 99) for name in ROUTERS}
    for number, point in enumerate(way, 1):
        now = check_waypoint(now, point, limits, number == len(way))
        for name in ROUTERS:
            assert len(now[name]) >= least[name] - 1
    if way:
        assert way[-1].placement == placement


@settings(deadline=None, max_examples=400)
@given(moves())
def test_planned_again_after_each_waypoint_it_ends_at_the_placement(move: tuple[Cluster, Placement, Policy]) -> None:
    found, placement, policy = move
    limits = {each.name: each.max_sessions for each in found.routers if each.max_sessions is not None}
    for _ in range(50):
        try:
            way = waypoints(found, policy, placement)
        except InputError:
            return
        station = way[0].placement if way else placement
        # Old and new of every leg fit together, so that none of it needs a break.
        assert not over_limit(make_budget(found, policy, station))
        found = with_today(sessions_of(station.sessions), limits)
        if not way:
            break
    assert sessions_of(placement.sessions) == {k: frozenset(v) for k, v in found.today.sessions.items()}


def test_a_swap_at_the_limit_goes_session_by_session() -> None:
    found = with_today({"leaf-1": ["n0", "n1"]}, {"leaf-1": 2})
    placement = placed(("n2", "leaf-1"), ("n3", "leaf-1"))
    assert over_limit(make_budget(found, POLICY, placement)) == {"leaf-1": (4, 2)}
    way = waypoints(found, POLICY, placement)
    assert [(each.closes, each.opens) for each in way] == [
        ((Session("n0", "leaf-1"),), ()),
        ((), (Session("n2", "leaf-1"),)),
        ((Session("n1", "leaf-1"),), ()),
        ((), (Session("n3", "leaf-1"),)),
    ]
    assert [each.placement.speakers for each in way] == [("n1",), ("n1", "n2"), ("n2",), ("n2", "n3")]


def test_a_router_that_takes_one_session_is_without_any_for_a_while() -> None:
    found = with_today({"leaf-1": ["n0"]}, {"leaf-1": 1})
    first, second = waypoints(found, POLICY, placed(("n1", "leaf-1")))
    assert (first.placement.sessions, second.placement.sessions) == ((), (Session("n1", "leaf-1"),))


def test_outside_bgp_and_where_there_is_room_there_are_none() -> None:
    found = with_today({"leaf-1": ["n0", "n1"]}, {"leaf-1": 2})
    assert waypoints(found, replace(POLICY, mode="layer2"), placed(("n2", "leaf-1"))) == ()
    assert waypoints(with_today({"leaf-1": ["n0"]}, {"leaf-1": 2}), POLICY, placed(("n1", "leaf-1"))) == ()


def test_what_cannot_be_opened_is_an_error_that_names_the_router() -> None:
    # n1 keeps its session with leaf-1, which is full without it being able to give any.
    found = with_today({"leaf-1": ["n0", "n1"], "leaf-2": ["n0"]}, {"leaf-1": 2, "leaf-2": 5})
    placement = placed(("n1", "leaf-1"), ("n2", "leaf-1"), ("n0", "leaf-2"))
    assert [each.closes for each in waypoints(found, SELECTED, placement)] == [(Session("n0", "leaf-1"),), ()]
    # Together with leaf-2's only session n0 cannot leave.
    alone = placed(("n1", "leaf-1"), ("n2", "leaf-1"))
    with pytest.raises(InputError, match="router leaf-1 has no room for a new session, and none of its old ones"):
        waypoints(found, POLICY, alone)

"""Rounds of restarts: how many sessions each router loses in one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.model import Cluster, Placement, Policy, Session, Survive, Today
from optimizer.plan.budget import Budget, added_sessions, groups_of, make_budget
from optimizer.plan.restarts import restart, restart_back
from tests.exports.export_inputs import POLICY, cluster, node, peer, placed, router

NAMES = tuple(f"n{number:02d}" for number in range(60))


def with_sessions(today: dict[str, tuple[str, ...]], **more: int) -> Cluster:
    """A cluster with a speaker on every node and these sessions; `more` are the sessions that routers are to keep."""
    routers = [replace(router(number), name=name) for number, name in enumerate(today, 1)]
    routers = [replace(each, min_speakers=more.get(each.name.replace("-", "_"))) for each in routers]
    return replace(cluster([node(name) for name in NAMES], routers), today=Today(NAMES, today))


def rounds_of(found: Cluster, placement: Placement) -> tuple[tuple[str, ...], ...]:
    """The rounds of the chosen speakers."""
    return restart(found, POLICY, placement, make_budget(found, POLICY, placement)).rounds


def all_again(found: Cluster, policy: Policy) -> tuple[tuple[str, ...], ...]:
    """The rounds of all of today's speakers, with today's sessions alone."""
    return restart_back(found, policy, make_budget(found, policy, placed())).rounds


@st.composite
def sessions(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    found = {}
    for number in range(1, draw(st.integers(1, 4)) + 1):
        # Some routers have the same sessions, or those of every speaker.
        some = st.sets(st.sampled_from(NAMES), max_size=45).map(lambda names: tuple(sorted(names)))
        found[f"leaf-{number}"] = draw(st.one_of(st.just(NAMES), st.just(NAMES[:25]), some))
    return found


@settings(deadline=None, max_examples=200)
@given(sessions(), sessions(), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_a_round_takes_a_tenth_and_nothing_that_a_router_is_to_keep(
    today: dict[str, tuple[str, ...]], wished: dict[str, tuple[str, ...]], keep: int, more: int, back: bool
) -> None:
    found = with_sessions(today | {name: today.get(name, ()) for name in wished}, leaf_1=more)
    policy = Policy(speakers_per_router=keep)
    placement = placed(*((name, at) for at, names in wished.items() for name in names), speakers=NAMES[:3])
    names = NAMES if back else placement.speakers
    budget = make_budget(found, policy, placement)
    made = restart_back(found, policy, budget) if back else restart(found, policy, placement, budget)
    assert sorted(name for part in made.rounds for name in part) == sorted(names)
    short = budget.short
    for at in {**today, **wished}:
        has = {*today.get(at, ()), *wished.get(at, ())}
        kept = max(keep, more if at == "leaf-1" else 0)
        most = max((len(has.intersection(part)) for part in made.rounds), default=0)
        assert most <= max(1, len(has) // 10)
        assert most <= max(1, len(has) - kept)
        if not back:
            # One that gets another session before is short of none that it had.
            assert (at in short) == (bool(wished.get(at)) and 0 < len(has) == len(today.get(at, ())) <= kept)


def test_speakers_of_one_rack_do_not_restart_together() -> None:
    labels = {name: {"openelb.kubesphere.io/rack": f"r{number // 2}"} for number, name in enumerate(NAMES[:40])}
    found = with_sessions({"spine": NAMES[:40]})
    nodes = tuple(replace(each, labels={**each.labels, **labels.get(each.name, {})}) for each in found.nodes)
    placement = placed(*((name, "spine") for name in NAMES[:40]))
    plain = rounds_of(replace(found, nodes=nodes), placement)
    assert any({"n00", "n01"} <= set(part) for part in plain)
    racked = rounds_of(replace(found, nodes=nodes, settings={"asPerRack": {"r0": 65001}}), placement)
    assert not any(
        len({*part} & {f"n{2 * rack:02d}", f"n{2 * rack + 1:02d}"}) > 1 for part in racked for rack in range(20)
    )
    assert len(racked) <= len(plain) + 1


def test_levels_count_a_session_of_today_and_of_the_placement_once() -> None:
    found = with_sessions({"leaf-1": NAMES[:3], "leaf-2": ()})
    new = [Session("n01", "leaf-1"), Session("n07", "leaf-1"), Session("n07", "leaf-2"), Session("n08", "leaf-3")]
    assert added_sessions(found, new) == {"leaf-1": ("n07",), "leaf-2": ("n07",), "leaf-3": ("n08",)}
    budget = make_budget(found, POLICY, placed(*((each.node, each.router) for each in new)))
    assert {name: budget.meanwhile(name) for name in budget.added} == {"leaf-1": 4, "leaf-2": 1, "leaf-3": 1}


def test_routers_with_the_same_sessions_share_a_group_as_strict_as_the_strictest() -> None:
    found = with_sessions({"leaf-1": NAMES, "leaf-2": NAMES, "leaf-3": NAMES[:20], "leaf-4": NAMES[:20]})
    groups = groups_of(found, frozenset(NAMES), {})
    assert groups.of_router == {"leaf-1": "leaf-1", "leaf-2": "leaf-1", "leaf-3": "leaf-3", "leaf-4": "leaf-3"}
    assert (sorted(groups.of_node["n00"]), groups.of_node["n59"]) == (["leaf-1", "leaf-3"], ["leaf-1"])
    for kept, most in ((2, 6), (57, 3), (60, 1)):
        strict = with_sessions({"leaf-1": NAMES, "leaf-2": NAMES}, leaf_2=kept)
        assert [len(part) for part in all_again(strict, POLICY)] == [most] * (60 // most)


@pytest.mark.parametrize("today", [(), NAMES[:2]])
def test_routers_that_will_have_other_sessions_are_not_looked_at_as_one(today: tuple[str, ...]) -> None:
    # All racks share two speakers today, or have none; then each has two of its own.
    found = with_sessions({f"leaf-{number:02d}": today for number in range(29)})
    pairs = [(NAMES[2 + 2 * number + side], f"leaf-{number:02d}") for number in range(29) for side in (0, 1)]
    assert [len(part) for part in rounds_of(found, placed(*pairs))] == [29, 29]


def test_whichever_protected_domain_fails_during_a_round_enough_sessions_are_left() -> None:
    # 60 sessions, 58 of them in the zone z0: 2 survive it, so with one survivor asked for one may restart at a time.
    found = with_sessions({"leaf-1": NAMES})
    nodes = [replace(each, domains={"zone": "z1" if index < 2 else "z0"}) for index, each in enumerate(found.nodes)]
    uneven = replace(found, nodes=tuple(nodes))
    policy = Policy(survive=(Survive("zone"),))
    assert {len(part) for part in all_again(uneven, policy)} == {1}
    # A router in z0 need not survive it; of the rest it has two in one zone.
    inside = replace(uneven, routers=tuple(replace(each, domains={"zone": "z0"}) for each in uneven.routers))
    assert [len(part) for part in all_again(inside, policy)] == [6] * 10
    even = replace(found, nodes=tuple(replace(each, domains={"zone": each.name[-1]}) for each in found.nodes))
    assert [len(part) for part in all_again(even, policy)] == [6] * 10


def test_ten_thousand_speakers_of_one_route_server_restart_in_ten_rounds() -> None:
    names = [f"node-{number:05d}" for number in range(10_000)]
    found = cluster([node(name) for name in names], [router(1, "rs")], [peer("rs", "10.0.0.1")])
    for chosen in (names, names[:9_000]):
        made = rounds_of(found, placed(*((name, "leaf-1") for name in chosen)))
        assert [len(part) for part in made] == [1_000] * (len(chosen) // 1_000)
    assert [len(part) for part in all_again(found, POLICY)] == [1_000] * 10


def test_without_routers_one_speaker_restarts_at_a_time() -> None:
    found = with_sessions({"leaf-1": NAMES})
    layer2, some = Policy(mode="layer2"), placed(speakers=["b", "a"])
    assert restart(found, layer2, some, make_budget(found, layer2, some)).rounds == (("a",), ("b",))
    assert make_budget(found, Policy(mode="vip"), placed(("n00", "leaf-1"))) == Budget()

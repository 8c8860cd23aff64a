"""Working speakers stay; what does not work is chosen only for a rule or a goal, which is named."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from optimizer.checks.placement import check_placement
from optimizer.model import Cluster, Node, NodeRules, Peering, Placement, Policy, Router, Session, Survive, Today
from optimizer.placements.optimize import optimize
from tests.builders import cluster_of, goal_values


def running(cluster: Cluster, speakers: str, broken: str = "", down: str = "", up: str = "") -> Cluster:
    """The cluster with speakers that peer with all that they are attached to; `down` and `up` hold node-router."""
    names = tuple(speakers.split())
    sessions = {router: tuple(n for n in nodes if n in names) for router, nodes in cluster.attachments.items()}
    lost = {(name, router) for name in broken.split() for router in sessions}
    lost |= {(name, router) for name, router in (each.split("-") for each in down.split())}
    seen = {(name, router) for name, router in (each.split("-") for each in up.split())}
    today = Today(
        names,
        sessions,
        {router: tuple(n for n in nodes if (n, router) in seen) for router, nodes in sessions.items()},
        {router: tuple(n for n in nodes if (n, router) in lost) for router, nodes in sessions.items()},
        dict.fromkeys(broken.split(), "not Ready"),
    )
    return replace(cluster, today=today)


def told(placement: Placement, rule: str) -> list[str]:
    return [str(each) for each in (*placement.warnings, *placement.hazards) if each.rule == rule]


def test_working_speakers_stay_and_dead_ones_go() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2", "n3", "n4"]}), "n1 n2 n3 n4", broken="n1 n2")
    placement = optimize(cluster, Policy())
    assert placement.speakers == ("n3", "n4")
    assert goal_values(placement.objectives)["moves"] == 0
    today = placement.today
    assert (today.speakers, today.working, today.sessions, today.up, today.down) == (4, 2, 4, 0, 2)


def test_what_is_reported_up_stays_before_what_is_unknown() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2", "n3"]}), "n1 n2 n3", up="n2-r n3-r")
    placement = optimize(cluster, Policy())
    assert (placement.speakers, goal_values(placement.objectives)["moves"]) == (("n2", "n3"), 1)


def test_a_session_that_is_not_reported_counts_as_todays() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2", "n3"]}), "n2 n3")
    assert optimize(cluster, Policy()).speakers == ("n2", "n3")


@pytest.mark.parametrize("full", [0, 95])
def test_a_fresh_node_is_taken_before_one_whose_speaker_does_not_work(full: int) -> None:
    nodes = [Node("n3", labels={"node-role.kubernetes.io/control-plane": ""} if full else {})]
    cluster = running(cluster_of({"r": ["n1", "n2", "n3"]}, nodes), "n1 n2", broken="n1")
    placement = optimize(cluster, Policy())
    assert placement.speakers == ("n2", "n3")
    assert told(placement, "broken-speaker-chosen") == []


def test_a_dead_speaker_that_is_chosen_is_named() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2"]}), "n1 n2", broken="n1")
    placement = optimize(cluster, Policy())
    assert placement.speakers == ("n1", "n2")
    assert told(placement, "broken-speaker-chosen") == [
        "1 chosen speaker does not work today: n1 (not Ready); a change waits for it"
    ]
    assert told(placement, "working-speaker-stops") == []


def test_a_session_that_is_down_is_named_where_its_speaker_is_chosen() -> None:
    cluster = running(cluster_of({"a": ["n1", "n2"], "b": ["n1", "n2"]}), "n1 n2", down="n1-b")
    placement = optimize(cluster, Policy())
    (sentence,) = told(placement, "down-session-chosen")
    assert sentence.startswith("1 chosen session is down today: n1 - b; a change waits for it, unless the topology")
    idle = replace(
        cluster, routers=tuple(replace(each, min_speakers=0) for each in cluster.routers if each.name == "b")
    )
    assert (
        told(optimize(replace(idle, routers=(cluster.routers[0], *idle.routers)), Policy()), "down-session-chosen")
        == []
    )
    assert goal_values(placement.objectives)["sessionMoves"] == 1


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_what_works_wins_whatever_the_goals_are(peering: Peering) -> None:
    # Three zones are three classes of nodes, so no order of names decides.
    nodes = [Node(f"n{i}", domains={"zone": f"z{i}"}) for i in (1, 2, 3)]
    attached = cluster_of({"r": ["n1", "n2", "n3"]}, nodes)
    policy = Policy(peering=peering, survive=(Survive("zone"),), goals=("sessions", "speakers"))
    dead = running(attached, "n1 n2 n3", broken="n1")
    assert optimize(dead, policy).speakers == ("n2", "n3")
    unknown = running(attached, "n1 n2 n3", up="n2-r n3-r")
    assert optimize(unknown, policy).speakers == ("n2", "n3")
    assert [goal.name for goal in optimize(unknown, policy).objectives] == ["sessions", "speakers"]
    both = cluster_of({"a": ["n1", "n2"], "b": ["n1", "n2"]})
    half = running(both, "n1 n2", down="n1-b", up="n1-a n2-a n2-b")
    assert optimize(half, replace(policy, survive=(), speakers_per_router=1)).speakers == ("n2",)


def test_a_working_speaker_that_stops_for_a_session_that_is_down_is_named() -> None:
    cluster = cluster_of({"a": ["n1", "n2"], "b": ["n1", "n3"]})
    cluster = running(cluster, "n1 n2 n3", down="n1-a", up="n1-b n2-a n3-b")
    (sentence,) = told(optimize(cluster, Policy(speakers_per_router=1)), "working-speaker-stops")
    assert "n2: the goal speakers comes first, without n1 it would be 2, not 1" in sentence


def test_a_limit_counts_what_may_come_up_at_any_time() -> None:
    attached = cluster_of({"r": ["n1", "n2", "n3"]}, routers=[Router("r", max_sessions=2)])
    cluster = running(attached, "n1 n2", broken="n2")
    placement = optimize(cluster, Policy())
    assert placement.speakers == ("n1", "n2")
    spoiled = replace(placement, speakers=("n1", "n3"), sessions=(Session("n1", "r"), Session("n3", "r")))
    assert "router r opens 1 sessions beside 2 of today, its limit is 2" in check_placement(cluster, Policy(), spoiled)


def test_to_mend_a_speaker_takes_nothing_of_the_budget() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2"]}), "n1 n2", broken="n2")
    placement = optimize(cluster, Policy(max_moves=0))
    assert (placement.speakers, goal_values(placement.objectives)["moves"]) == (("n1", "n2"), 1)
    fresh = running(cluster_of({"r": ["n1", "n2", "n3"]}), "n1 n2", broken="n2")
    assert optimize(fresh, Policy(max_moves=0)).speakers == ("n1", "n2")
    assert optimize(fresh, Policy(max_moves=1)).speakers == ("n1", "n3")


def test_the_goal_for_which_a_working_speaker_stops_is_named() -> None:
    # One speaker on n1 serves both routers, n2 and n3 one each.
    cluster = running(cluster_of({"a": ["n1", "n2"], "b": ["n1", "n3"]}), "n1 n2 n3", broken="n1")
    placement = optimize(cluster, Policy(speakers_per_router=1))
    assert placement.speakers == ("n1",)
    assert told(placement, "working-speaker-stops") == [
        "2 working speakers stop, while n1 is chosen, of which not all is up: "
        "n2, n3: the goal speakers comes first, without n1 it would be 2, not 1"
    ]


def test_the_rule_for_which_a_working_speaker_stops_is_named() -> None:
    nodes = [Node("n3", unschedulable=True)]
    cluster = running(cluster_of({"r": ["n1", "n2", "n3"]}, nodes), "n1 n2 n3", broken="n1")
    (sentence,) = told(optimize(cluster, Policy()), "working-speaker-stops")
    assert sentence.endswith("n1 is chosen, of which not all is up: n3 (cordoned) cannot stay")
    one = replace(Policy(speakers_per_router=2), nodes=NodeRules(pin=("n1",)))
    free = running(cluster_of({"r": ["n1", "n2", "n3"]}), "n1 n2 n3", broken="n1")
    (sentence,) = told(optimize(free, one), "working-speaker-stops")
    assert sentence.endswith("n3: n1 is pinned")


def test_what_cannot_hold_without_the_dead_one_is_named() -> None:
    cluster = cluster_of({"a": ["n1", "n2"], "b": ["n1", "n2", "n3"]})
    cluster = running(cluster, "n1 n2 n3", broken="n1")
    (sentence,) = told(optimize(cluster, Policy()), "working-speaker-stops")
    assert "without n1 the rules cannot hold (a needs 2 sessions, each from a different node)" in sentence


def test_the_check_sees_a_dead_speaker_taken_for_a_working_one() -> None:
    cluster = running(cluster_of({"r": ["n1", "n2", "n3", "n4"]}), "n1 n2 n3 n4", broken="n1 n2")
    placement = optimize(cluster, Policy())
    spoiled = replace(
        placement,
        speakers=("n1", "n2"),
        sessions=tuple(replace(each, node=name) for each, name in zip(placement.sessions, ("n1", "n2"), strict=True)),
    )
    found = check_placement(cluster, Policy(), spoiled)
    assert "objective moves is given as 0, it is 4" in found
    assert "objective cost is given as 0, it is 40" in found
    counted = replace(placement, today=replace(placement.today, working=4, down=0))
    assert check_placement(cluster, Policy(), counted) == (
        "speakers that work today are given as 4, they are 2",
        "sessions of today that are down are given as 0, they are 2",
    )


def test_the_check_sees_a_speaker_where_the_scheduler_finds_no_place() -> None:
    cluster = replace(cluster_of({"r": ["n1", "n2", "n3"]}), today=Today(refused={"n1": "no place"}))
    placement = optimize(cluster, Policy())
    assert (placement.speakers, placement.ineligible) == (
        ("n2", "n3"),
        {"without a place for the speaker's pod, says the scheduler": 1},
    )
    spoiled = replace(
        placement,
        speakers=("n1", "n2"),
        sessions=tuple(replace(each, node=name) for each, name in zip(placement.sessions, ("n1", "n2"), strict=True)),
    )
    sentence, *_ = check_placement(cluster, Policy(), spoiled)
    assert sentence == "node n1 has a speaker but is not eligible: the scheduler finds no place for a speaker there"

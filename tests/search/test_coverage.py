"""Where a speaker announces its own rack alone, every rack keeps sessions of its own at each of its routers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from optimizer.checks.placement import check_placement
from optimizer.model import (
    Cluster,
    Node,
    NodeRules,
    Peering,
    Placement,
    Policy,
    Router,
    Shortfall,
    SpeakerNeeds,
    Survive,
    Today,
)
from optimizer.placements.optimize import optimize
from optimizer.search.problem import shape
from optimizer.search.reduce import reduce
from optimizer.search.solve import crowded
from tests.builders import cluster_of, goal_values
from tests.instances import PER_RACK, RACK

LEAVES = ("leaf-1", "leaf-2")


def racks(sizes: Mapping[str, int], *routers: Router, **states: bool) -> Cluster:
    """So many nodes of each rack ("" for none), all attached to all routers; every speaker announces its rack alone.

    `states` are the nodes that are cordoned.
    """
    nodes = [
        Node(name, {RACK: rack} if rack else {}, unschedulable=states.get(name, False), domains={"chassis": name[:-1]})
        for rack, size in sizes.items()
        for name in (f"{rack or 'x'}n{number}" for number in range(1, size + 1))
    ]
    names = [node.name for node in nodes]
    plain = cluster_of(dict.fromkeys([router.name for router in routers] or ["tor"], names), nodes, routers)
    return replace(plain, settings=PER_RACK)


def by_rack(cluster: Cluster, placement: Placement, router: str) -> Counter[str]:
    """The sessions of a router by the rack of their nodes."""
    rack = {node.name: node.labels.get(RACK, "") for node in cluster.nodes}
    return Counter(rack[session.node] for session in placement.sessions if session.router == router)


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
@pytest.mark.parametrize("size", [2, 40])
def test_every_rack_keeps_two_sessions_at_a_router_that_all_share(peering: Peering, size: int) -> None:
    cluster = racks({"r1": size, "r2": size, "r3": size}, *map(Router, LEAVES))
    placement = optimize(cluster, Policy(peering=peering))
    assert placement.status == "optimal"
    assert goal_values(placement.objectives)["sessions"] == 12
    assert goal_values(placement.objectives)["speakers"] == 6
    for leaf in LEAVES:
        assert by_rack(cluster, placement, leaf) == {"r1": 2, "r2": 2, "r3": 2}


def test_a_rack_keeps_as_many_as_it_has_eligible_nodes() -> None:
    cluster = racks({"r1": 3, "r2": 2, "r3": 1}, r2n1=True)
    assert by_rack(cluster, optimize(cluster, Policy(speakers_per_router=3)), "tor") == {"r1": 3, "r2": 1, "r3": 1}


def test_nodes_in_no_rack_are_announced_by_speakers_among_them_alone() -> None:
    cluster = racks({"r1": 3, "": 3})
    assert by_rack(cluster, optimize(cluster, Policy()), "tor") == {"r1": 2, "": 2}


def test_a_rack_is_covered_at_the_routers_that_its_nodes_are_attached_to() -> None:
    cluster = racks({"r1": 2, "r2": 2}, *map(Router, LEAVES))
    cluster = replace(cluster, attachments={"leaf-1": ("r1n1", "r1n2"), "leaf-2": cluster.attachments["leaf-2"]})
    placement = optimize(cluster, Policy())
    assert by_rack(cluster, placement, "leaf-1") == {"r1": 2}
    assert by_rack(cluster, placement, "leaf-2") == {"r1": 2, "r2": 2}


@pytest.mark.parametrize("off", ["the policy", "no asPerRack", "layer 2"])
def test_there_is_no_such_rule(off: str) -> None:
    cluster = racks({"r1": 3, "r2": 3})
    cluster = replace(cluster, settings={} if off == "no asPerRack" else cluster.settings)
    policy = Policy(coverage=False if off == "the policy" else None, mode="layer2" if off == "layer 2" else "bgp")
    assert len(optimize(cluster, policy).speakers) == 2


def test_a_router_that_asks_for_nothing_is_left_out() -> None:
    cluster = racks({"r1": 3, "r2": 3}, Router("leaf-1", min_speakers=0), Router("leaf-2"))
    placement = optimize(cluster, Policy(peering="selected"))
    assert by_rack(cluster, placement, "leaf-1") == {}
    assert by_rack(cluster, placement, "leaf-2") == {"r1": 2, "r2": 2}


def test_survival_and_limits_hold_beside_it() -> None:
    # Each rack has nodes in one chassis only, but those of the other racks outlive it.
    cluster = racks({"r1": 3, "r2": 3}, Router("tor", max_sessions=4))
    placement = optimize(cluster, Policy(survive=(Survive("chassis", 2),)))
    assert by_rack(cluster, placement, "tor") == {"r1": 2, "r2": 2}
    three = optimize(replace(cluster, routers=(Router("tor"),)), Policy(survive=(Survive("chassis", 3),)))
    assert by_rack(cluster, three, "tor") == {"r1": 3, "r2": 3}


def test_a_limit_that_leaves_no_room_for_all_racks_is_named_with_what_they_ask_for() -> None:
    cluster = racks({"r1": 2, "r2": 2, "r3": 2}, Router("tor", max_sessions=4))
    placement = optimize(cluster, Policy())
    assert placement.status == "infeasible"
    (found,) = placement.diagnosis
    assert found.routers == ("tor",)
    assert found.rules == (
        "every rack keeps sessions of its own at tor: only its own speakers announce its nodes",
        "tor accepts at most 4 sessions",
    )
    assert "tor: 3 racks need 6 sessions of their own: rack r1 2, rack r2 2, rack r3 2" in found.counts
    assert found.change == "raise maxSessions of tor from 4 to 6"
    assert optimize(replace(cluster, routers=(Router("tor", max_sessions=6),)), Policy()).status == "optimal"


def test_speakers_without_room_for_all_routers_are_told_what_to_accept() -> None:
    cluster = racks({"r1": 2, "r2": 2}, *map(Router, LEAVES))
    policy = Policy(speakers_per_router=2, peering="selected", speaker=SpeakerNeeds(max_sessions=1))
    (found, *_) = optimize(cluster, policy).diagnosis
    assert "no speaker holds more sessions than its node has room for" in found.rules
    assert any(rule.startswith("every rack keeps sessions of its own at") for rule in found.rules)
    assert optimize(cluster, replace(policy, coverage=False)).status == "optimal"


def test_best_effort_misses_the_least_and_says_of_which_rack() -> None:
    cluster = racks({"r1": 2, "r2": 2, "": 1}, Router("tor", max_sessions=4))
    placement = optimize(cluster, Policy(best_effort=True))
    assert placement.shortfalls in [
        (Shortfall("tor", f"coverage of {what}", 1),) for what in ("rack r1", "rack r2", "nodes in no rack")
    ]
    assert goal_values(placement.objectives)["exposure"] == 1


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("peering", ["all-attached", "selected"])
@pytest.mark.parametrize(
    ("sizes", "limit", "kept"),
    [
        ({"r1": 2, "r2": 2}, 2, [1, 1]),
        ({"r1": 3, "r2": 3, "r3": 3}, 4, [1, 1, 2]),
        ({"r1": 4, "r2": 4, "r3": 4, "": 4}, 5, [1, 1, 1, 2]),
        ({"r1": 1, "r2": 3, "r3": 3}, 3, [1, 1, 1]),
    ],
)
def test_best_effort_leaves_no_rack_without_a_session_where_each_can_keep_one(
    sizes: Mapping[str, int], limit: int, kept: list[int], peering: Peering, running: bool
) -> None:
    cluster = racks(sizes, Router("tor", max_sessions=limit))
    names = cluster.attachments["tor"]
    if running:
        cluster = replace(cluster, today=Today(names, {"tor": names}))
    placement = optimize(cluster, Policy(best_effort=True, peering=peering))
    assert placement.status == "optimal"
    assert sorted(by_rack(cluster, placement, "tor").values()) == kept
    assert goal_values(placement.objectives)["shortfall"] == 0
    assert not [each for each in placement.hazards if each.rule == "rack-without-session"]


def test_a_rack_that_must_be_left_without_a_session_is_counted_and_named() -> None:
    cluster = racks({"r1": 2, "r2": 2, "r3": 2}, Router("tor", max_sessions=2))
    placement = optimize(cluster, Policy(best_effort=True))
    values = goal_values(placement.objectives)
    assert (values["shortfall"], values["exposure"]) == (1, 4)
    (none,) = [each for each in placement.shortfalls if each.rule.startswith("announcement of rack ")]
    rack = none.rule.removeprefix("announcement of ")
    assert Shortfall("tor", f"coverage of {rack}", 2) in placement.shortfalls
    (found,) = [each for each in placement.hazards if each.rule == "rack-without-session"]
    assert found.sentence == f"no speaker announces {rack} at router tor: these nodes are next hops of nobody there"
    wrong = replace(placement, shortfalls=tuple(each for each in placement.shortfalls if each != none))
    assert any(f"no session with {rack}" in each for each in check_placement(cluster, Policy(best_effort=True), wrong))


def test_what_is_missed_more_than_today_still_comes_first() -> None:
    cluster = racks({"r1": 2, "r2": 2}, Router("tor", max_sessions=2))
    cluster = replace(cluster, today=Today(("r1n1", "r1n2"), {"tor": ("r1n1", "r1n2")}))
    placement = optimize(cluster, Policy(best_effort=True))
    assert by_rack(cluster, placement, "tor") == {"r1": 2}
    assert [each.rule for each in placement.hazards if each.rule.startswith("rack-")] == ["rack-without-session"]


def test_racks_that_lose_their_speakers_as_nobody_asks_for_coverage_are_named() -> None:
    cluster = racks({"r1": 3, "r2": 3, "r3": 3}, *map(Router, LEAVES))
    asked: dict[bool | None, list[str]] = {}
    for coverage in (None, False):
        found = optimize(cluster, Policy(coverage=coverage)).hazards
        asked[coverage] = [each.sentence for each in found if each.rule == "rack-without-session"]
    assert asked[None] == []
    (told,) = asked[False]
    assert told.startswith("no speaker announces rack r2, rack r3 at router leaf-1, nor some racks at 1 more router")
    # A speaker on a node in no rack announces every node.
    mixed = racks({"": 3, "r1": 1}, r1n1=True)
    assert not [each for each in optimize(mixed, Policy(coverage=False)).hazards if each.rule == "rack-without-session"]
    quiet = replace(cluster, routers=(Router("leaf-1", min_speakers=0), Router("leaf-2", min_speakers=0)))
    assert not [each for each in optimize(quiet, Policy(coverage=False)).hazards if "announces" in each.sentence]


def test_a_rack_that_hangs_on_one_node_is_found() -> None:
    def found(cluster: Cluster, policy: Policy) -> list[str]:
        return [each.sentence for each in optimize(cluster, policy).warnings if each.rule == "rack-on-one-node"]

    cluster = racks({"r1": 2, "r2": 1, "r3": 2}, r3n2=True)
    (told,) = found(cluster, Policy())
    assert told == (
        "2 racks have only one node for a speaker at a router of theirs, such as rack r2 at router tor (r2n1): without "
        "it nothing announces its nodes there"
    )
    assert found(racks({"r1": 2, "r3": 2}), Policy()) == []
    assert found(cluster, Policy(coverage=False)) == []
    # The router itself hangs on that node, which is found as such.
    assert found(racks({"r1": 1}), Policy(speakers_per_router=1)) == []


def test_racks_that_ask_for_more_than_a_router_takes_are_found_by_counting() -> None:
    cluster = racks({"r1": 2, "r2": 2}, Router("tor", max_sessions=4))
    (fits,) = reduce(cluster, Policy()).components
    assert not crowded(fits)
    (narrow,) = reduce(replace(cluster, routers=(Router("tor", max_sessions=3),)), Policy()).components
    assert crowded(narrow)
    # Today's session is of the rack that has enough, so there is no room for the new ones of the other rack.
    sizes = {"r1": 3, "r2": 2}
    busy = replace(
        racks(sizes, Router("tor", max_sessions=4)),
        today=Today(("r1n1", "r1n2", "r1n3"), {"tor": ("r1n1", "r1n2", "r1n3")}),
    )
    (part,) = reduce(busy, Policy()).components
    assert crowded(part)
    (allowed,) = reduce(busy, Policy(allow_break=True)).components
    assert not crowded(allowed)
    assert optimize(busy, Policy()).status == "infeasible"
    assert optimize(busy, Policy(allow_break=True)).status == "optimal"


def test_best_effort_keeps_the_rack_that_is_covered_today() -> None:
    cluster = racks({"r1": 2, "r2": 2}, Router("tor", max_sessions=3))
    cluster = replace(cluster, today=Today(("r2n1", "r2n2"), {"tor": ("r2n1", "r2n2")}))
    placement = optimize(cluster, Policy(best_effort=True))
    assert placement.shortfalls == (Shortfall("tor", "coverage of rack r1", 1),)
    assert goal_values(placement.objectives)["worsened"] == 0


@pytest.mark.parametrize("peering", ["all-attached", "selected"])
def test_a_speaker_that_may_stay_on_a_cordoned_node_covers_its_rack(peering: Peering) -> None:
    cluster = racks({"r1": 2, "r2": 1}, r2n1=True)
    cluster = replace(cluster, today=Today(("r2n1",), {"tor": ("r2n1",)}))
    kept = optimize(cluster, Policy(best_effort=True, peering=peering))
    assert by_rack(cluster, kept, "tor") == {"r1": 2, "r2": 1}
    assert kept.shortfalls == ()
    assert not [each for each in kept.warnings if each.rule == "rack-not-covered"]


def test_racks_that_nobody_can_announce_are_found() -> None:
    cluster = racks({"r1": 2, "r2": 1}, r2n1=True)
    (found,) = [each for each in optimize(cluster, Policy()).warnings if each.rule == "rack-not-covered"]
    assert found.sentence == (
        "rack r2 has no eligible node at router tor (r2n1: cordoned): no speaker announces its nodes there; make "
        "one of them eligible, or keep a speaker that runs there with --best-effort"
    )
    more = racks({"r1": 2, "r2": 1, "r3": 1, "": 1}, *map(Router, LEAVES), r2n1=True, r3n1=True, xn1=True)
    (found,) = [each for each in optimize(more, Policy()).warnings if each.rule == "rack-not-covered"]
    assert found.sentence.startswith("2 racks have no eligible node at a router of theirs, such as rack r2 at ")
    assert "rack r2 at router leaf-1 (r2n1: cordoned)" in found.sentence
    assert not [each for each in optimize(more, Policy(coverage=False)).warnings if each.rule == "rack-not-covered"]


def test_coverage_where_there_is_nothing_to_cover_is_found() -> None:
    cluster = replace(racks({"r1": 2, "r2": 1}), settings={})
    rules = {
        asked: [each.rule for each in optimize(cluster, Policy(coverage=asked)).warnings] for asked in (True, None)
    }
    assert rules == {True: ["coverage-without-racks"], None: []}


def test_nodes_of_different_racks_are_different_and_racks_by_themselves_are_alike() -> None:
    nodes = {f"tor-{rack}": [f"{rack}n{number}" for number in range(3)] for rack in ("r1", "r2")}
    labelled = [Node(name, {RACK: name[:2]}) for names in nodes.values() for name in names]
    apart = replace(cluster_of(nodes, labelled), settings=PER_RACK)
    first, second = reduce(apart, Policy()).components
    assert shape(first) == shape(second)
    (shared,) = reduce(racks({"r1": 3, "r2": 3}), Policy(nodes=NodeRules())).components
    assert [each.names for each in shared.classes] == [("r1n1", "r1n2", "r1n3"), ("r2n1", "r2n2", "r2n3")]


def test_many_racks_around_shared_routers_are_proved_whatever_chassis_may_fail() -> None:
    nodes = {f"r{rack}": [f"r{rack}-n{number}" for number in range(8)] for rack in range(120)}
    every = [name for names in nodes.values() for name in names]
    attachments = {**{f"tor-{rack}": names for rack, names in nodes.items()}, "spine-1": every, "spine-2": every}
    labelled = [
        Node(name, {RACK: rack}, domains={"chassis": f"{rack}-{number // 4}"})
        for rack, names in nodes.items()
        for number, name in enumerate(names)
    ]
    cluster = replace(cluster_of(attachments, labelled), settings=PER_RACK)
    for peering in ("all-attached", "selected"):
        policy = Policy(peering=peering, survive=(Survive("chassis"),))
        placement = optimize(cluster, policy)
        assert placement.status == "optimal"
        assert goal_values(placement.objectives)["sessions"] == 3 * 240
        assert goal_values(placement.objectives)["speakers"] == 240
        short = replace(placement, sessions=placement.sessions[1:])
        assert any("which needs 2 to be announced there" in each for each in check_placement(cluster, policy, short))

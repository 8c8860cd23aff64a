"""Infeasible requests: the conflicting rules, the counts behind them, the smallest change that helps."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from optimizer.model import Cluster, Conflict, Node, NodeRules, Policy, Resources, Router, SpeakerNeeds, Survive, Today
from optimizer.placements.optimize import optimize
from optimizer.search.clock import Clock
from optimizer.search.conflict import conflict, satisfiable
from optimizer.search.cp_sat_model import ComponentModel
from optimizer.search.reduce import reduce
from tests.builders import cluster_of, single_tor
from tests.instances import problems


def only_conflict(cluster: Cluster, policy: Policy) -> Conflict:
    placement = optimize(cluster, policy)
    assert placement.status == "infeasible"
    assert len(placement.diagnosis) == 1
    return placement.diagnosis[0]


def test_too_few_eligible_nodes_are_counted_by_cause_and_the_easiest_to_win_is_named() -> None:
    nodes = [Node("n1"), Node("n2", ready=False), Node("n3", unschedulable=True), Node("n4", unschedulable=True)]
    found = only_conflict(cluster_of({"leaf-7": ["n1", "n2", "n3", "n4"]}, nodes), Policy())
    assert found == Conflict(
        routers=("leaf-7",),
        rules=("leaf-7 needs 2 sessions, each from a different node",),
        counts=("leaf-7: 1 eligible of 4 attached: 2 cordoned, 1 not Ready",),
        change="make eligible: n3 (cordoned)",
    )


def test_the_control_plane_is_the_cure_only_where_no_worker_is() -> None:
    master = Node("a1", {"node-role.kubernetes.io/control-plane": ""}, unschedulable=True)
    attached = cluster_of({"leaf": ["a1", "n1", "n2"]}, [master, Node("n1"), Node("n2", ready=False)])
    assert only_conflict(attached, Policy()).change == "make eligible: n2 (not Ready)"
    alone = cluster_of({"leaf": ["a1", "n1"]}, [master, Node("n1")])
    assert only_conflict(alone, Policy()).change == "make eligible: a1 (cordoned)"


def test_nodes_that_go_are_not_what_is_to_be_made_eligible() -> None:
    nodes = [
        Node("n1", troubles=("about to be removed (karpenter.sh/disrupted)",)),
        Node("n2", troubles=("virtual",)),
        Node("n3", troubles=("under DiskPressure",)),
    ]
    cluster = cluster_of({"leaf": ["n1", "n2", "n3"]}, nodes)
    one = only_conflict(cluster, Policy(speakers_per_router=1))
    assert one.change.startswith("make eligible: n3 (under DiskPressure)")
    assert "n1" not in one.change
    two = only_conflict(cluster, Policy())
    assert two.change.startswith("attach nodes to leaf for 2 more sessions")


def test_a_router_with_too_few_nodes_needs_more_of_them() -> None:
    found = only_conflict(cluster_of({"leaf": ["n1"]}), Policy())
    assert found.change == "attach nodes to leaf for 1 more session, or accept 1 session at leaf with --best-effort"


def test_nodes_in_one_zone_only_cannot_survive_it() -> None:
    nodes = [Node(name, domains={"zone": "a"}) for name in ("n1", "n2", "n3")]
    nodes.append(Node("n4", domains={"zone": "b"}, unschedulable=True))
    found = only_conflict(cluster_of({"r": [node.name for node in nodes]}, nodes), Policy(survive=(Survive("zone"),)))
    assert found.rules == ("r keeps 1 session when any one zone fails",)
    assert found.counts == (
        "r: 3 eligible of 4 attached: 1 cordoned",
        "r: eligible nodes by zone: a 3",
    )
    assert found.change == "make eligible: n4 (cordoned)"


def test_a_limit_below_the_need_is_to_be_raised() -> None:
    found = only_conflict(cluster_of({"r": ["n1", "n2"]}, routers=[Router("r", max_sessions=1)]), Policy())
    assert found.rules == (
        "r accepts at most 1 session",
        "r needs 2 sessions, each from a different node",
    )
    assert "maxSessions 1" in " ".join(found.counts)
    assert found.change == "raise maxSessions of r from 1 to 2"


def test_a_full_router_needs_a_break() -> None:
    cluster = cluster_of({"r": ["n1", "n2", "n3"]}, [Node("n1", unschedulable=True)], [Router("r", max_sessions=2)])
    cluster = replace(cluster, today=Today(("n1", "n2"), {"r": ("n1", "n2")}))
    found = only_conflict(cluster, Policy())
    assert "r has room for 0 new sessions beside today's during the change" in found.rules
    assert "r: 2 sessions today, maxSessions 2" in found.counts


def test_pins_that_overfill_a_router_are_named() -> None:
    cluster = cluster_of({"r": ["n1", "n2", "n3"]}, routers=[Router("r", max_sessions=2)])
    found = only_conflict(cluster, Policy(nodes=NodeRules(pin=("n1", "n2", "n3"))))
    assert found.rules == ("r accepts at most 2 sessions", "the pinned nodes run a speaker")
    assert "pinned: n1, n2, n3" in found.counts
    assert found.change == "raise maxSessions of r from 2 to 3"


def test_a_pinned_node_that_is_no_candidate_is_told_with_the_cause() -> None:
    cluster = cluster_of({"r": ["n1", "n2", "n3"]}, [Node("n1", unschedulable=True)])
    found = only_conflict(cluster, Policy(nodes=NodeRules(pin=("n1",))))
    assert found.rules == ("n1 is pinned",)
    assert found.counts == ("n1: cordoned",)


def test_too_small_a_budget_says_how_many_moves_are_needed() -> None:
    found = only_conflict(single_tor(racks=2, size=3), Policy(max_moves=1))
    assert "at most 1 speaker may start or stop" in found.rules
    assert found.change == "raise --max-moves from 1 to 4"


def test_room_for_one_session_a_node_is_a_rule_of_its_own() -> None:
    # Two nodes, two routers, two sessions each: four sessions on nodes with room for one each.
    policy = Policy(peering="selected", speaker=SpeakerNeeds(max_sessions=1))
    found = only_conflict(cluster_of({"a": ["n1", "n2"], "b": ["n1", "n2"]}), policy)
    assert "no speaker holds more sessions than its node has room for" in found.rules
    assert "2 nodes have room for fewer sessions than routers, such as n1" in found.counts


def test_every_broken_rack_is_diagnosed_on_its_own() -> None:
    cluster = single_tor(racks=30, size=3)
    nodes = tuple(replace(node, unschedulable=not node.name.endswith("0")) for node in cluster.nodes)
    placement = optimize(replace(cluster, nodes=nodes), Policy())
    assert [conflict.routers for conflict in placement.diagnosis] == [(router.name,) for router in cluster.routers]
    assert placement.diagnosis[7].change == "make eligible: node-0007-001 (cordoned)"


def test_layer2_under_different_leaf_routers_is_refused_with_the_reason() -> None:
    found = only_conflict(single_tor(racks=2, size=3), Policy(mode="layer2"))
    assert "the nodes sit under different leaf routers" in found.counts[0]


def test_a_node_with_several_causes_is_named_with_all_of_them() -> None:
    full = Resources(cpu=50, memory=2**30, pods=10)
    nodes = [Node("n1"), Node("n2", unschedulable=True, allocatable=full)]
    found = only_conflict(cluster_of({"leaf": ["n1", "n2"]}, nodes), Policy())
    assert found.counts == ("leaf: 1 eligible of 2 attached: 1 cordoned",)
    assert found.change == "make eligible: n2 (cordoned, short of 100m CPU)"


def test_layer2_does_not_advise_nodes_of_another_network() -> None:
    nodes = [Node("n1", unschedulable=True), Node("n2"), Node("n3", unschedulable=True), Node("n4", unschedulable=True)]
    found = only_conflict(cluster_of({"a": ["n3", "n4"], "b": ["n1", "n2"]}, nodes), Policy(mode="layer2"))
    assert found.change == "make eligible: n1 (cordoned)"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_conflicts_are_minimal(problem: tuple[Cluster, Policy]) -> None:
    cluster, policy = problem
    policy = replace(policy, best_effort=False)
    reduced = reduce(cluster, policy)
    for component in reduced.components:
        clock = Clock(60)
        rules = conflict(component, policy, reduced.survive, [], clock)
        assert bool(rules) != satisfiable(component, policy, reduced.survive, [], clock)
        every = set(ComponentModel(component, policy, reduced.survive, explain=True).literals)
        for rule in rules:
            # Without this one rule the others of the conflict hold together.
            left_out = every - set(rules) | {rule}
            assert satisfiable(component, policy, reduced.survive, left_out, clock)

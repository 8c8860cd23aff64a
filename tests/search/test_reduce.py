"""The reduction keeps the optimum, and the way back keeps every rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.model import (
    Cluster,
    LabelSelector,
    Node,
    NodeCost,
    NodeRules,
    NodeSelectorTerm,
    Policy,
    Requirement,
    Resources,
    Session,
    Speaker,
    SpeakerNeeds,
    Taint,
    Today,
)
from optimizer.search.eligibility import judgement, restrictions, session_capacity, tenths
from optimizer.search.problem import Component, NodeClass, Solution, Traits
from optimizer.search.reduce import expand, reduce
from tests.builders import cluster_of, dual_tor

GI = 2**30
SPEAKER = Speaker("openelb-system", "openelb-speaker", {}, None, (), Resources(100, GI), True, {})
INPUT = Cluster((), speaker=SPEAKER)


def test_equal_nodes_are_one_class_and_racks_are_components() -> None:
    problem = reduce(dual_tor(racks=3, size=20), Policy())
    assert [len(component.routers) for component in problem.components] == [2, 2, 2]
    assert [[len(each.names) for each in component.classes] for component in problem.components] == [[20]] * 3


def test_a_node_that_runs_a_speaker_is_in_another_class() -> None:
    cluster = replace(dual_tor(racks=1, size=4), today=Today(("node-0000-002",), {}))
    (component,) = reduce(cluster, Policy()).components
    assert sorted(each.names for each in component.classes) == [
        ("node-0000-000", "node-0000-001", "node-0000-003"),
        ("node-0000-002",),
    ]


def test_todays_sessions_are_those_that_each_router_has() -> None:
    plain = dual_tor(racks=2, size=3)
    every = tuple(node.name for node in plain.nodes)
    some = every[1:4]
    # Every speaker peers with the first router, some with the second, on whatever nodes they are.
    sessions = {"tor-0000-a": every, "tor-0000-b": some, "tor-0001-a": every[:3] + every[3:]}
    classes = [
        each
        for part in reduce(replace(plain, today=Today(every, sessions)), Policy()).components
        for each in part.classes
    ]
    assert [(each.traits.today, each.names) for each in classes] == [
        (("tor-0000-a",), ("node-0000-000",)),
        (("tor-0000-a", "tor-0000-b"), ("node-0000-001", "node-0000-002")),
        (("tor-0001-a",), ("node-0001-000", "node-0001-001", "node-0001-002")),
    ]


def test_all_that_is_against_a_node_is_listed_and_the_first_counts() -> None:
    judge = judgement(cluster_of({}), Policy(nodes=NodeRules(ban=("b",))))
    assert judge(Node("a", ready=False, unschedulable=True)).against == ("not Ready", "cordoned")
    assert judge(Node("b", unschedulable=True)).against == ("cordoned", "banned")
    assert judge(Node("c", ready=None)).against == ()


def test_taints_and_selection_of_the_daemonset_count_but_not_our_own() -> None:
    ours = Taint("bgp-speakers/speaker", "NoSchedule", "true")
    speaker = replace(SPEAKER, node_selector={"os": "linux", "bgp-speakers/speaker": "true"})
    judge = judgement(replace(cluster_of({}), speaker=speaker), Policy())
    linux = Node("a", labels={"os": "linux"}, taints=(ours,))
    assert judge(linux).against == ()
    assert judge(Node("a")).against == ("not selected by the DaemonSet (os=linux)",)
    assert judge(replace(linux, taints=(Taint("gpu", "NoSchedule"),))).against == (
        "taint gpu:NoSchedule not tolerated",
    )
    others = Taint("bgp-speakers/speaker", "NoSchedule", "somebody else's")
    assert judge(replace(linux, taints=(others,))).against == ("taint bgp-speakers/speaker:NoSchedule not tolerated",)


def test_an_affinity_of_ours_alone_restricts_nothing() -> None:
    ours = Requirement("bgp-speakers/speaker", "In", ("true",))
    foreign = Requirement("disk", "Exists")
    alone = replace(SPEAKER, affinity=(NodeSelectorTerm((ours,)), NodeSelectorTerm((foreign,))))
    assert restrictions(alone, "bgp-speakers/speaker") == ({}, None)
    both = replace(SPEAKER, affinity=(NodeSelectorTerm((ours, foreign)),))
    assert restrictions(both, "bgp-speakers/speaker") == ({}, (NodeSelectorTerm((foreign,)),))


def test_room_is_counted_per_resource_and_session() -> None:
    node = Node("n", allocatable=Resources(1000, 10 * GI, 10), requested=Resources(500, GI, 9))
    assert session_capacity(INPUT, Policy())(node) >= 10**6
    needs = SpeakerNeeds(per_session=Resources(100, 2 * GI))
    assert session_capacity(INPUT, Policy(speaker=needs))(node) == 4
    assert session_capacity(INPUT, Policy())(replace(node, requested=Resources(950, GI, 9))) == -1
    assert session_capacity(INPUT, Policy())(replace(node, requested=Resources(0, 0, 10))) == -1


def test_cost_adds_policy_preference_role_and_how_full_the_node_is() -> None:
    gpu = LabelSelector({"gpu": "yes"})
    rules = NodeRules(prefer=(LabelSelector({"disk": "ssd"}),), cost=(NodeCost(gpu, 7),))
    judge = judgement(cluster_of({}), Policy(nodes=rules))
    assert judge(Node("n", labels={"disk": "ssd"})).cost == 0
    assert judge(Node("n", labels={"gpu": "yes"})).cost == 8
    assert judge(Node("n", labels={"disk": "ssd", "node-role.kubernetes.io/control-plane": ""})).cost == 1
    full = Node("n", labels={"disk": "ssd"}, allocatable=Resources(100, 100, 9), requested=Resources(35, 79, 0))
    assert tenths(full) == 7
    assert tenths(replace(full, requested=Resources(900, 0, 0))) == 10
    assert tenths(replace(full, allocatable=None)) == tenths(replace(full, allocatable=Resources())) == 0


@given(st.data())
def test_sessions_of_a_class_are_dealt_out_within_capacity(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    routers = tuple(f"r{i}" for i in range(data.draw(st.integers(1, 5))))
    chosen = data.draw(st.integers(1, size))
    wanted = tuple(data.draw(st.integers(0, chosen)) for _ in routers)
    capacity = max(1, -(-sum(wanted) // chosen))
    names = tuple(f"n{i}" for i in range(size))
    each = NodeClass(Traits(routers, (), capacity, 0, False, (), False), names)
    speakers, sessions = expand(Component((), (each,)), Solution((chosen,), (wanted,)))
    assert speakers == list(names[:chosen])
    assert len(set(sessions)) == len(sessions) == sum(wanted)
    for router, number in zip(routers, wanted, strict=True):
        assert sum(session.router == router for session in sessions) == number
    for name in speakers:
        assert sum(session.node == name for session in sessions) <= capacity
    if sum(wanted) >= chosen:
        assert {session.node for session in sessions} == set(speakers)


def test_dealing_out_goes_on_where_the_last_router_stopped() -> None:
    each = NodeClass(Traits(("a", "b", "c"), (), 2, 0, False, (), False), ("n1", "n2"))
    _, sessions = expand(Component((), (each,)), Solution((2,), ((2, 1, 1),)))
    assert sessions == [Session("n1", "a"), Session("n2", "a"), Session("n1", "b"), Session("n2", "c")]

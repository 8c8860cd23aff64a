"""Each rule on its own: a right placement passes, and one with a single fault is caught with a sentence naming it.

Four nodes n1 to n4, in the zones a, b, a and none, are all attached to two routers. Speakers run on n1 and n3; the
right placement is n1 and n2, so that either zone may fail.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from optimizer.checks.nodes import node_cost
from optimizer.checks.placement import check_placement
from optimizer.model import (
    SPEAKER_LABEL,
    Cluster,
    LabelSelector,
    Node,
    NodeCost,
    NodeRules,
    NodeSelectorTerm,
    Objective,
    Placement,
    Policy,
    Requirement,
    Resources,
    Router,
    Shortfall,
    Speaker,
    SpeakerNeeds,
    Survive,
    Taint,
    Today,
    Toleration,
)
from tests.instances import PER_RACK, RACK, problems
from tests.search.brute_force import as_placement, attached, best_placement, every, judge, problem_of

MI = 2**20
ALL = ("n1", "n2", "n3", "n4")
ZONES = {"n1": "a", "n2": "b", "n3": "a"}
NODES = tuple(Node(name, {"disk": "ssd"}, domains={"zone": ZONES[name]} if name in ZONES else {}) for name in ALL)
CLUSTER = Cluster(
    nodes=NODES,
    routers=(Router("leaf-1", "10.0.0.1"), Router("leaf-2", "10.0.0.2")),
    attachments={"leaf-1": ALL, "leaf-2": ALL},
    today=Today(("n1", "n3"), {"leaf-1": ("n1", "n3"), "leaf-2": ("n1", "n3")}),
)
POLICY = Policy(survive=(Survive("zone"),))
CHOSEN = replace(POLICY, peering="selected")
L2 = replace(POLICY, mode="layer2", survive=())
DAEMONSET = Speaker("openelb-system", "openelb-speaker", {}, None, (), Resources(100, 100 * MI, 1), True, {})


def place(cluster: Cluster, policy: Policy, choice: str) -> Placement:
    """A placement from words such as "n1 n2" or "n1 n2 | n1-leaf-1 n2-leaf-2", right in all but perhaps that choice.

    Without sessions given, every speaker has all that its node is attached to.
    """
    names, bar, given_sessions = choice.partition("|")
    pairs = [(name, router) for name, _, router in (word.partition("-") for word in given_sessions.split())]
    if not bar and policy.mode == "bgp":
        pairs = [(name, router) for name in names.split() for router in attached(cluster, name)]
    problem = problem_of(cluster, policy)
    return as_placement(problem, judge(problem, names.split(), pairs))


def n1(**changes: Any) -> Cluster:
    """The cluster with n1 changed."""
    return replace(CLUSTER, nodes=(replace(NODES[0], **changes), *NODES[1:]))


def leaf(**changes: Any) -> Cluster:
    """The cluster with leaf-1 changed."""
    return replace(CLUSTER, routers=(replace(CLUSTER.routers[0], **changes), CLUSTER.routers[1]))


def daemonset(cluster: Cluster = CLUSTER, **changes: Any) -> Cluster:
    """The cluster with a DaemonSet."""
    return replace(cluster, speaker=replace(DAEMONSET, **changes))


def room(requested: Resources) -> Cluster:
    """The cluster with n1 partly used."""
    return n1(allocatable=Resources(1000, 1000 * MI, 10), requested=requested)


def rules(**changes: Any) -> Policy:
    """The policy with rules about nodes."""
    return replace(POLICY, nodes=NodeRules(**changes))


def needing(**changes: Any) -> Policy:
    """The policy with needs of a speaker."""
    return replace(POLICY, speaker=SpeakerNeeds(**changes))


LABEL, VALUE = SPEAKER_LABEL
OURS = NodeSelectorTerm((Requirement(LABEL, "In", (VALUE,)),))
NOT_HDD = NodeSelectorTerm((Requirement("disk", "NotIn", ("hdd",)), Requirement(LABEL, "Exists")))
OUR_TAINT, DB = Taint(LABEL, "NoSchedule", VALUE), Taint("db", "NoSchedule", "yes")
NETWORK = Taint("node.kubernetes.io/network-unavailable", "NoSchedule")
EACH = needing(per_session=Resources(100, 10 * MI))
ONE_EACH = replace(CHOSEN, speaker=SpeakerNeeds(max_sessions=1))
APART = replace(CLUSTER, attachments={"leaf-1": ("n1", "n3"), "leaf-2": ("n2", "n4")})
LESS = replace(CLUSTER, attachments={"leaf-1": ("n1", "n2", "n4"), "leaf-2": ALL})
PAIRS = "n1-leaf-1 n1-leaf-2 n2-leaf-1 n2-leaf-2"
HDD = LabelSelector({"disk": "hdd"})
CROSS = "n1 n2 n3 n4 | n1-leaf-1 n2-leaf-1 n3-leaf-2 n4-leaf-2"
TWO_OUTLIVE = replace(CHOSEN, speakers_per_router=1, survive=(Survive("zone", 2),))
VIP = replace(L2, mode="vip", survive=(Survive("zone", 2),))
BREAK, ONE_MOVE = replace(POLICY, allow_break=True), replace(POLICY, max_moves=1)
GREEDY = daemonset(room(Resources()), requests=Resources(2000))
REFUSED = "node n1 has a speaker but is not eligible: "
TAINTED = REFUSED + "the DaemonSet does not tolerate its taint "
AFFINITY = "node {} has a speaker but is not eligible: the DaemonSet's node affinity"
RACKS = {"n1": "r1", "n2": "r1", "n3": "r2"}
IN_RACKS = replace(
    CLUSTER,
    nodes=tuple(replace(node, labels={RACK: RACKS.get(node.name, "")}) for node in NODES),
    settings=PER_RACK,
)
UNCOVERED = "router leaf-{} has {} sessions with rack r1, which needs 2 to be announced there"
LOST = "router leaf-{} keeps 0 sessions when zone a fails, it needs 1"

CASES: dict[str, tuple[Cluster, Policy, str, str]] = {  # the last is a part of each sentence, in order
    "a right placement passes": (CLUSTER, POLICY, "n1 n2", ""),
    "selected sessions pass": (CLUSTER, CHOSEN, "n1 n2 n4 | n1-leaf-1 n2-leaf-1 n2-leaf-2 n4-leaf-2", ""),
    "a node that the input has not": (CLUSTER, POLICY, "n1 n2 n9", "the input has no node n9"),
    "not Ready": (n1(ready=False), POLICY, "n1 n2", REFUSED + "it is not Ready"),
    "Ready or not said": (n1(ready=True), POLICY, "n1 n2", ""),
    "cordoned": (n1(unschedulable=True), POLICY, "n1 n2", REFUSED + "it is cordoned"),
    "deleting": (n1(deleting=True), POLICY, "n1 n2", REFUSED + "it is being deleted"),
    "banned": (CLUSTER, rules(ban=("n1",)), "n1 n2", REFUSED + "the policy bans it"),
    "excluded": (n1(labels={"disk": "hdd"}), rules(exclude=(HDD,)), "n1 n2", REFUSED + "the policy excludes it"),
    "not selected": (
        daemonset(n1(labels={}), node_selector={"disk": "ssd", LABEL: VALUE}),
        POLICY,
        "n1 n2",
        "n1 has a speaker but is not eligible: the DaemonSet's nodeSelector",
    ),
    "no affinity": (daemonset(n1(labels={"disk": "hdd"}), affinity=(NOT_HDD,)), POLICY, "n1 n2", AFFINITY.format("n1")),
    "tainted": (daemonset(n1(taints=(DB,))), POLICY, "n1 n2", TAINTED + "db:NoSchedule"),
    "tolerated": (daemonset(n1(taints=(DB,)), tolerations=(Toleration("db", "Exists"),)), POLICY, "n1 n2", ""),
    "a taint without a DaemonSet": (n1(taints=(DB,)), POLICY, "n1 n2", ""),
    "host network is ready for no network": (daemonset(n1(taints=(NETWORK,))), POLICY, "n1 n2", ""),
    "without host network": (
        daemonset(n1(taints=(NETWORK,)), host_network=False),
        POLICY,
        "n1 n2",
        TAINTED + NETWORK.key,
    ),
    "our label as nodeSelector": (daemonset(node_selector={LABEL: VALUE}), POLICY, "n1 n2", ""),
    "our label as affinity": (daemonset(affinity=(NodeSelectorTerm(), OURS)), POLICY, "n1 n2", ""),
    "our label beside another": (daemonset(affinity=(NOT_HDD,)), POLICY, "n1 n2", ""),
    "our taint": (daemonset(n1(taints=(OUR_TAINT,))), POLICY, "n1 n2", ""),
    "a label that is not ours": (
        daemonset(n1(labels={LABEL: VALUE}), affinity=(OURS,)),
        needing(label=("x/y", "")),
        "n2 n1",
        AFFINITY.format("n2"),
    ),
    "an empty term matches nothing": (
        daemonset(affinity=(NodeSelectorTerm(),)),
        replace(POLICY, speakers_per_router=1, survive=()),
        "n1",
        AFFINITY.format("n1"),
    ),
    "room for all": (room(Resources(700, 880 * MI, 9)), EACH, "n1 n2", ""),
    "short of CPU": (
        room(Resources(701)),
        EACH,
        "n1 n2",
        "n1 has 299 millicores of CPU free, a speaker with 2 sessions needs 300",
    ),
    "short of memory": (
        room(Resources(0, 900 * MI)),
        EACH,
        "n1 n2",
        "n1 has 104857600 bytes of memory free, a speaker",
    ),
    "short of pods": (daemonset(room(Resources(pods=10))), POLICY, "n1 n2", "n1 has 0 pods free"),
    "a DaemonSet's pod is one pod": (daemonset(room(Resources(pods=9))), POLICY, "n1 n2", ""),
    "the DaemonSet's requests": (GREEDY, POLICY, "n1 n2", "n1 has 1000 millicores"),
    "the policy's requests come first": (GREEDY, needing(requests=Resources(1000)), "n1 n2", ""),
    "one session each": (CLUSTER, ONE_EACH, CROSS, ""),
    "too many for a speaker": (CLUSTER, ONE_EACH, f"{CROSS} n4-leaf-1", "n4 has 2 sessions, the limit"),
    "a session without speaker": (CLUSTER, CHOSEN, f"n1 n2 | {PAIRS} n4-leaf-1", "n4 - leaf-1: node n4 has no speaker"),
    "a session without attachment": (
        LESS,
        CHOSEN,
        f"n1 n2 n3 | {PAIRS} n3-leaf-1",
        "n3 - leaf-1: the node is not attached",
    ),
    "listed twice": (CLUSTER, L2, "n1 n2 n2", "speaker n2 is listed 2 times"),
    "no session": (CLUSTER, CHOSEN, f"n1 n2 n3 | {PAIRS}", "node n3 has a speaker without any session"),
    "not with all attached": (
        CLUSTER,
        POLICY,
        f"n1 n2 n4 | {PAIRS} n4-leaf-1",
        "n4 has no session with leaf-2, though",
    ),
    "not redundant": (
        CLUSTER,
        replace(CHOSEN, survive=()),
        "n1 n2 | n1-leaf-1 n1-leaf-2 n2-leaf-2",
        "leaf-1 has 1 sessions, it needs 2",
    ),
    "a router asks for more": (leaf(min_speakers=3), POLICY, "n1 n2", "router leaf-1 has 2 sessions, it needs 3"),
    "a router cannot ask for less": (leaf(min_speakers=1), replace(POLICY, survive=()), "n1 n3", ""),
    "a router asks for nothing": (leaf(min_speakers=0), CHOSEN, "n1 n2 | n1-leaf-2 n2-leaf-2", ""),
    "one that asks for nothing has its limit": (
        leaf(min_speakers=0, max_sessions=1),
        replace(BREAK, survive=()),
        "n1 n2",
        "leaf-1 has 2 sessions, its limit is 1",
    ),
    "every rack is covered": (IN_RACKS, Policy(), "n1 n2 n3 n4", ""),
    "a rack is not covered": (IN_RACKS, Policy(), "n1 n3 n4", UNCOVERED.format(1, 1) + "; " + UNCOVERED.format(2, 1)),
    "a rack is not announced at all": (
        IN_RACKS,
        replace(CHOSEN, survive=()),
        "n1 n2 n3 n4 | n1-leaf-1 n2-leaf-1 n1-leaf-2 n2-leaf-2 n3-leaf-2 n4-leaf-2",
        "leaf-1 has 0 sessions with nodes in no rack, which needs 1; has 0 sessions with rack r2, which needs 1",
    ),
    "a rack of one node": (IN_RACKS, Policy(speakers_per_router=3, survive=()), "n1 n2 n3 n4", ""),
    "no coverage asked for": (IN_RACKS, Policy(coverage=False), "n1 n2", ""),
    "racks outside mode bgp": (IN_RACKS, replace(L2, survive=(Survive("zone"),)), "n1 n2", ""),
    "one zone only": (CLUSTER, POLICY, "n1 n3", LOST.format(1) + "; " + LOST.format(2)),
    "a router's own zone may take all": (leaf(domains={"zone": "a"}), POLICY, "n1 n3", LOST.format(2)),
    "a node in no zone outlives all": (CLUSTER, POLICY, "n1 n4", ""),
    "a kind that no node has": (CLUSTER, replace(POLICY, survive=(Survive("rack"),)), "n1 n3", ""),
    "survivors where nothing is lost": (
        leaf(min_speakers=1),
        TWO_OUTLIVE,
        "n1 n2 n4 | n4-leaf-1 n1-leaf-2 n2-leaf-2 n4-leaf-2",
        "leaf-1 keeps 1 sessions when zone a fails, it needs 2",
    ),
    "at the limit during the change": (leaf(max_sessions=3), POLICY, "n1 n2", ""),
    "over the limit during the change": (
        leaf(max_sessions=2),
        POLICY,
        "n1 n2",
        "leaf-1 opens 1 sessions beside 2 of today",
    ),
    "breaks allowed": (leaf(max_sessions=2), BREAK, "n1 n2", ""),
    "over the limit after the change": (
        leaf(max_sessions=2),
        BREAK,
        "n1 n2 n3",
        "leaf-1 has 3 sessions, its limit is 2",
    ),
    "pinned": (CLUSTER, rules(pin=("n2", "n4")), "n1 n2", "node n4 is pinned but has no speaker"),
    "over the budget": (CLUSTER, ONE_MOVE, "n1 n2", "2 speakers start or stop, the budget is 1 moves: n2, n3"),
    "a forced stop is no move": (n1(unschedulable=True), ONE_MOVE, "n2 n3", ""),
    "layer 2": (CLUSTER, L2, "n1 n2", ""),
    "layer 2 with one speaker": (CLUSTER, L2, "n4", "mode layer2 has 1 speakers, it needs 2"),
    "layer 2 in one zone": (CLUSTER, L2, "n1 n3", "mode layer2 keeps 0 speakers when zone a fails, it needs 1"),
    "vip with a wish": (CLUSTER, VIP, "n1 n2", "vip keeps 1 speakers when zone a fails"),
    "layer 2 across leaves": (APART, L2, "n1 n2", "nodes sit under different leaf routers: n3 under leaf-1"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_rule(case: str) -> None:
    cluster, policy, choice, sentences = CASES[case]
    found, parts = check_placement(cluster, policy, place(cluster, policy, choice)), sentences.split("; ")
    assert len(found) == len([part for part in parts if part])
    assert all(part in sentence for part, sentence in zip(parts, found, strict=False))


def test_an_infeasible_answer_has_no_speakers() -> None:
    assert check_placement(CLUSTER, POLICY, Placement("infeasible")) == ()
    assert check_placement(CLUSTER, POLICY, Placement("infeasible", speakers=("n1",)))


def test_best_effort_says_exactly_what_is_missing() -> None:
    policy = replace(POLICY, best_effort=True, speakers_per_router=3, survive=(Survive("zone", 2),))
    right = place(CLUSTER, policy, "n1 n3")
    said = {(each.router, each.rule): each.missing for each in right.shortfalls}
    assert said == {(f"leaf-{i}", rule): n for i in (1, 2) for rule, n in (("redundancy", 1), ("survival of zone", 2))}
    values = {objective.name: objective.value for objective in right.objectives}
    assert (values["shortfall"], values["exposure"]) == (2, 4)  # two routers: 1 session, and 2 survivors of zone a
    assert check_placement(CLUSTER, policy, right) == ()
    first, *others = right.shortfalls
    for listed in (others, [replace(first, missing=2), *others], [first, *right.shortfalls]):
        assert check_placement(CLUSTER, policy, replace(right, shortfalls=tuple(listed)))
    unasked = replace(place(CLUSTER, POLICY, "n1 n2"), shortfalls=(Shortfall("leaf-1", "redundancy", 1),))
    found = check_placement(CLUSTER, POLICY, unasked)
    assert found == ("shortfall of 1 at leaf-1 in redundancy is listed, but is not so",)


def test_objectives_are_those_counted_by_hand() -> None:
    today = Today(("n1", "n3"), {"leaf-1": ("n1", "n3"), "leaf-2": ("n3",)})
    cluster, policy = replace(n1(labels={"zone": "a"}), today=today), rules(cost=(NodeCost(LabelSelector(), 3),))
    right = replace(place(cluster, policy, "n1 n2"), status="feasible")
    by_hand = {"sessions": 4, "speakers": 2, "moves": 2, "sessionMoves": 1, "cost": 6}
    assert {objective.name: objective.value for objective in right.objectives} == by_hand
    for i, goal in enumerate(right.objectives):
        for value, bound, sentence in (
            (goal.value + 1, goal.bound, f"objective {goal.name} is given as {goal.value + 1}, it is {goal.value}"),
            (goal.value, goal.value + 1, f"objective {goal.name} has the bound {goal.value + 1} and the value"),
        ):
            wrong = (*right.objectives[:i], Objective(goal.name, value, bound), *right.objectives[i + 1 :])
            (found,) = check_placement(cluster, policy, replace(right, objectives=wrong))
            assert found.startswith(sentence)
    gap = replace(right, objectives=(Objective("sessions", 4, 3), *right.objectives[1:]))
    assert check_placement(cluster, policy, gap) == ()
    assert len(check_placement(cluster, policy, replace(gap, status="optimal"))) == 1
    assert len(check_placement(cluster, policy, replace(right, objectives=right.objectives[::-1]))) == 1


def test_counts_are_those_of_the_input() -> None:
    right = place(CLUSTER, POLICY, "n1 n2")
    for change in (
        {"today": replace(right.today, speakers=3)},
        {"today": replace(right.today, sessions=3)},
        {"eligible": 3},
        {"ineligible": {"cordoned": 1}},
    ):
        (found,) = check_placement(CLUSTER, POLICY, replace(right, **change))
        assert " are given as " in found


def test_the_cost_of_a_node_is_the_sum_of_its_parts() -> None:
    policy = rules(cost=(NodeCost(HDD, 3), NodeCost(LabelSelector(), 4)), prefer=(HDD,))
    assert node_cost(Node("n", {"disk": "hdd"}), policy) == 3 + 4
    assert node_cost(Node("n", {"node-role.kubernetes.io/master": ""}), policy) == 4 + 1 + 1
    used = Node("n", allocatable=Resources(1000, 100), requested=Resources(390, 29))
    assert node_cost(used, POLICY) == 3
    assert node_cost(replace(used, requested=Resources(0, 999), allocatable=Resources(0, 100)), POLICY) == 10


@settings(deadline=None)
@given(problems())
def test_the_oracles_best_placement_passes(problem: tuple[Cluster, Policy]) -> None:
    assert check_placement(*problem, best_placement(*problem)) == ()


@settings(deadline=None)
@given(problems(), st.data())
def test_a_changed_placement_passes_exactly_if_the_oracle_has_it_too(
    given_problem: tuple[Cluster, Policy], data: st.DataObject
) -> None:
    problem = problem_of(*given_problem)
    all_found = list(every(problem))
    start = data.draw(st.sampled_from(all_found or [judge(problem, [], [])]))
    speakers, sessions = set(start.speakers), set(start.sessions)
    names, leaves = [node.name for node in problem.cluster.nodes], [leaf.name for leaf in problem.cluster.routers]
    for name in data.draw(st.lists(st.sampled_from(names), max_size=2)):
        sessions = {pair for pair in sessions if pair[0] != name}
        if name not in speakers and problem.policy.mode == "bgp":
            sessions |= {(name, router) for router in attached(problem.cluster, name)}
        speakers ^= {name}
    sessions ^= set(data.draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(leaves)), max_size=1)))
    changed = judge(problem, sorted(speakers), sorted(sessions))
    holds = any((each.speakers, each.sessions) == (changed.speakers, changed.sessions) for each in all_found)
    assert (check_placement(*given_problem, as_placement(problem, changed)) == ()) == holds

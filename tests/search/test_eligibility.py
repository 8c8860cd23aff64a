"""What a speaker asks for beside CPU and memory, host ports, and nodes in trouble, in the words of the summary."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from optimizer.model import Cluster, Node, Policy, Resources, Speaker, SpeakerNeeds
from optimizer.search.eligibility import judgement, lack, session_capacity, short_nodes
from tests.builders import cluster_of

NIC, DISK = "example.com/nic", "ephemeral-storage"
SPEAKER = Speaker("openelb-system", "openelb-speaker", {}, None, (), Resources(100, 0, 1), True, {})
PLAIN = Policy()
ROOM = Resources(1000, 2**30, 9, {NIC: 4, DISK: 2**30})


def asking(requests: Resources) -> Cluster:
    return replace(cluster_of({}), speaker=replace(SPEAKER, requests=requests))


def lacking(node: Node, cluster: Cluster, policy: Policy = PLAIN) -> tuple[str, ...]:
    return lack(node, cluster, policy, 1, session_capacity(cluster, policy)(node))


@pytest.mark.parametrize(
    ("others", "used", "cause"),
    [
        ({NIC: 2}, {NIC: 2}, ()),
        ({NIC: 2}, {NIC: 3}, ("short of 2 example.com/nic",)),
        ({"example.com/gpu": 1}, {}, ("short of 1 example.com/gpu",)),
        ({DISK: 2**29 + 1}, {DISK: 2**29}, ("short of 513Mi ephemeral-storage",)),
        ({DISK: 2**29}, {DISK: 2**29}, ()),
        ({}, {NIC: 9}, ()),
    ],
)
def test_every_resource_that_a_speaker_requests_has_to_fit(
    others: dict[str, int], used: dict[str, int], cause: tuple[str, ...]
) -> None:
    node = Node("n", allocatable=ROOM, requested=Resources(others=used))
    assert lacking(node, asking(Resources(100, others=others))) == cause


def test_the_policy_s_requests_go_before_the_daemonset_s() -> None:
    cluster, node = asking(Resources(others={NIC: 9})), Node("n", allocatable=ROOM)
    assert lacking(node, cluster) == ("short of 9 example.com/nic",)
    assert lacking(node, cluster, Policy(speaker=SpeakerNeeds(requests=Resources(others={NIC: 4})))) == ()


def test_sessions_take_of_every_resource_too() -> None:
    node, each = Node("n", allocatable=ROOM), SpeakerNeeds(per_session=Resources(others={NIC: 1}))
    assert session_capacity(asking(Resources(others={NIC: 1})), Policy(speaker=each))(node) == 3
    assert (
        session_capacity(asking(Resources()), Policy(speaker=each))(replace(node, requested=Resources(others={NIC: 4})))
        == 0
    )


def test_a_node_that_says_nothing_of_its_room_has_enough_of_all() -> None:
    assert lacking(Node("n"), asking(Resources(others={NIC: 9}))) == ()


def test_a_host_port_that_is_taken_leaves_no_room() -> None:
    node = Node("n", taken=("TCP 50051", "UDP 7946"))
    assert lacking(node, asking(Resources())) == ("host port TCP 50051, UDP 7946 taken",)
    cluster = replace(asking(Resources()), nodes=(Node("a"), node))
    assert short_nodes(cluster, Policy(), {"a", "n"}) == ["n"]


def test_troubles_count_whatever_is_tolerated() -> None:
    judge = judgement(cluster_of({}), Policy())
    assert judge(Node("a", troubles=("under DiskPressure",), ready=False)).against == (
        "not Ready",
        "under DiskPressure",
    )
    # Alike in all else, so judged apart.
    assert judge(Node("b", ready=False)).against == ("not Ready",)

"""A placement that was right is found out once its node is full, in trouble, or has a port taken."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.checks.placement import check_placement
from optimizer.model import Policy, Resources, SpeakerNeeds
from tests.checks.test_placement import MI, POLICY, REFUSED, daemonset, n1, place

NIC, DISK = "example.com/nic", "ephemeral-storage"
ROOM = Resources(1000, 1000 * MI, 10, {NIC: 3, DISK: 10 * MI})
ASKING = Resources(100, 100 * MI, 1, {NIC: 1, DISK: 4 * MI})
EACH = replace(POLICY, speaker=SpeakerNeeds(per_session=Resources(others={NIC: 1})))
GOES = "about to be removed (karpenter.sh/disrupted)"

SPOILED: dict[str, tuple[dict[str, Any], Policy, str]] = {
    "room to the last": ({"requested": Resources(900, 900 * MI, 9, {NIC: 2, DISK: 6 * MI})}, POLICY, ""),
    "no devices": ({"requested": Resources(others={NIC: 3})}, POLICY, "n1 has 0 of example.com/nic free, a speaker"),
    "no storage": ({"requested": Resources(others={DISK: 7 * MI})}, POLICY, "n1 has 3145728 of ephemeral-storage free"),
    "more than all": ({"requested": Resources(others={NIC: 5})}, POLICY, "n1 has -2 of example.com/nic free"),
    "not listed": ({"allocatable": Resources(1000, 1000 * MI, 10, {DISK: 10 * MI})}, POLICY, "n1 has 0 of example.com"),
    "room for all sessions": ({}, EACH, ""),
    "no room for sessions": ({"requested": Resources(others={NIC: 1})}, EACH, "with 2 sessions needs 3"),
    "a port": ({"taken": ("TCP 50051",)}, POLICY, "n1 has another pod on the speaker's host port TCP 50051"),
    "under pressure": ({"troubles": ("under DiskPressure",)}, POLICY, f"{REFUSED}its state: under DiskPressure"),
    "to be removed": ({"troubles": (GOES, "virtual")}, POLICY, f"{REFUSED}its state: {GOES}, virtual"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_placement_is_found_out(case: str) -> None:
    change, policy, sentence = SPOILED[case]
    right = daemonset(n1(allocatable=ROOM), requests=ASKING)
    placement = place(right, policy, "n1 n2")
    assert check_placement(right, policy, placement) == ()
    spoiled = daemonset(n1(**{"allocatable": ROOM} | change), requests=ASKING)
    found = check_placement(spoiled, policy, placement, claims=False)
    assert len(found) == bool(sentence)
    assert all(sentence in each for each in found)


def test_best_effort_keeps_no_speaker_on_a_node_in_trouble() -> None:
    policy = replace(POLICY, best_effort=True)
    cordoned = n1(unschedulable=True)
    assert check_placement(cordoned, policy, place(cordoned, policy, "n1 n2")) == ()
    for troubles in (("without a network",), ("virtual",)):
        worse = n1(unschedulable=True, troubles=troubles)
        found = check_placement(worse, policy, place(cordoned, policy, "n1 n2"), claims=False)
        assert found[0].startswith(f"{REFUSED}it is cordoned")

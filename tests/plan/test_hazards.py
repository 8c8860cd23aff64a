from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from optimizer.findings import Finding
from optimizer.model import Policy
from optimizer.plan.hazards import change_hazards, hazards
from optimizer.plan.hold import ANNOTATION
from optimizer.plan.plan import make_plan
from optimizer.speakers.openelb import OpenELB
from tests.exports.export_inputs import (
    KEY,
    POLICY,
    TWO_RACKS,
    cluster,
    daemonset,
    node,
    peer,
    placed,
    router,
    two_racks,
)

NODES = [node("a1"), node("a2"), node("a3"), node("b1", "r2")]


def told_by(report: Callable[..., Sequence[Finding]], *given: object) -> list[str]:
    """The sentences of what it finds."""
    return [str(each) for each in report(*given)]


def test_hazard_of_a_template_that_an_export_edits() -> None:
    (sentence,) = told_by(hazards, two_racks(), POLICY, TWO_RACKS)
    assert f"openelb-speaker does not ask for the label {KEY}=true yet, so an export changes its template" in sentence
    assert "taints alone keep no speaker off" in sentence
    assert sentence.endswith(
        "restarted in 2 rounds, and 1 router with no session to spare, such as leaf-2, is one short meanwhile"
    )
    both = told_by(hazards, two_racks(running=["a1", "a2", "b1", "b2"]), POLICY, TWO_RACKS)[0]
    assert both.endswith("and 2 routers with no session to spare, such as leaf-1, are one short meanwhile")
    spare = told_by(hazards, two_racks(), Policy(speakers_per_router=1), TWO_RACKS)[0]
    assert spare.endswith(
        "in 2 rounds while those that leave still run, and no router loses a session that it cannot spare"
    )
    asking = cluster(NODES, pod={"nodeSelector": {KEY: "true"}})
    assert hazards(asking, POLICY, placed(speakers=["a1"])) == ()


def test_hazard_of_layer2_beside_bgppeers() -> None:
    peers, edit = told_by(hazards, two_racks(), Policy(mode="layer2"), placed(speakers=["a1", "b1"]))
    assert edit.endswith("restarted in 2 rounds, one at a time")
    assert peers.endswith("2 BgpPeers: to stop speakers for the mode layer2 also closes their BGP sessions")


def test_hazard_of_a_daemonset_that_is_updated_by_hand() -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({}, updateStrategy={"type": "OnDelete"})
    by_hand = replace(found, speaker=replace(found.speaker, manifest=manifest))
    assert "keep the old template until their pods go" in told_by(hazards, by_hand, POLICY, TWO_RACKS)[0]


@pytest.mark.parametrize("edited", [False, True])
def test_hazard_of_a_daemonset_that_an_earlier_change_has_left_held(edited: bool) -> None:
    found = two_racks()
    assert found.speaker is not None
    manifest = daemonset({"nodeSelector": {KEY: "true"}} if edited else {}, updateStrategy={"type": "OnDelete"})
    manifest["metadata"]["annotations"] = {ANNOTATION: '{"type": "RollingUpdate"}'}
    held = replace(found, speaker=replace(found.speaker, manifest=manifest))
    *more, sentence = told_by(hazards, held, POLICY, TWO_RACKS)
    assert sentence.startswith("DaemonSet openelb-system/openelb-speaker was left held by an earlier change")
    # It is no DaemonSet that somebody updates by hand: its speakers are restarted.
    assert ["restarted in 2 rounds" in each for each in more] == ([] if edited else [True])


def test_export_hazards_tell_what_restarts_and_whose_pods_stay_away() -> None:
    tolerant = daemonset({"tolerations": [{"operator": "Exists"}]}, "tolerant")
    newer = {"tolerations": [{"key": "level", "operator": "Gt", "value": "3"}, {"operator": "Exists"}]}
    found = two_racks(daemonsets=(tolerant, daemonset(newer, "newer"), daemonset({}, "logs")))
    restart, alone, others = told_by(change_hazards, make_plan(found, POLICY, TWO_RACKS, "taints"))
    assert restart.endswith(
        "changes: its speakers that stay are restarted in 2 rounds, and 1 router with no session to spare, "
        "such as leaf-2, is one short meanwhile"
    )
    assert "taints alone keep no speaker off" in alone
    assert others.startswith(f"1 DaemonSet does not tolerate {KEY}=true:NoSchedule")
    assert others.endswith(": openelb-system/logs")


def test_export_hazards_of_affinity_with_helm_and_of_bgppeer_edits() -> None:
    found = cluster(NODES, [router(1, "leaf-1")], [peer("leaf-1", "10.0.0.1")])
    placement = placed(("a1", "leaf-1"), speakers=["a2"])
    told = told_by(change_hazards, make_plan(found, POLICY, placement, "affinity"))
    assert ["1 BgpPeer is edited" in told[1], "helm template" in OpenELB.helm_hazards["affinity"]] == [True, True]

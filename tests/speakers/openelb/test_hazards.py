from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.findings import Finding
from optimizer.plan.hazards import hazards
from optimizer.speakers.openelb.kinds import RACK_LABEL
from tests.exports.export_inputs import (
    POLICY,
    cluster,
    node,
    peer,
    placed,
    rack,
    router,
)

NODES = [node("a1"), node("a2"), node("a3"), node("b1", "r2")]


def told_by(report: Callable[..., Sequence[Finding]], *given: object) -> list[str]:
    """The sentences of what it finds."""
    return [str(each) for each in report(*given)]


def test_hazard_of_two_bgppeers_with_one_address_names_both() -> None:
    found = cluster(NODES, [router(1, "one")], [peer("one", "10.0.0.1"), peer("two", "10.0.0.1", rack("r1"))])
    sentence, *_ = told_by(hazards, found, POLICY, placed(("a1", "leaf-1")))
    assert "one and two have one address, 10.0.0.1" in sentence


def test_hazard_of_rack_labels_without_as_per_rack() -> None:
    found = cluster([node("a1", **{RACK_LABEL: "r1"}), node("a2")])  # type: ignore[arg-type]
    sentence, _ = told_by(hazards, found, POLICY, placed(speakers=["a1"]))
    assert sentence.startswith(f"1 nodes carry the label {RACK_LABEL}, which has no effect")


def test_hazard_of_nodes_without_a_rack_label_under_as_per_rack() -> None:
    found = cluster([node("a1", **{RACK_LABEL: "r1"}), node("a2")], settings={"asPerRack": {"r1": 65000}})  # type: ignore[arg-type]
    sentence, _ = told_by(hazards, found, POLICY, placed(speakers=["a1"]))
    assert "1 of 2 nodes lack the label" in sentence
    assert "a2" in sentence

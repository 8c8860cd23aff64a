"""Selectors, required node affinity, taints and tolerations, as Kubernetes evaluates them."""

from __future__ import annotations

import pytest

from optimizer.kube.selectors import affinity_selects, check_field_requirement, check_requirement, meets, selects
from optimizer.kube.taints import tolerates, untolerated
from optimizer.model import LabelSelector, NodeSelectorTerm, Requirement, Taint, Toleration

LABELS = {"rack": "r1", "size": "12", "empty": ""}


def met(operator: str, key: str, *values: str) -> bool:
    requirement = Requirement(key, operator, values)
    check_requirement(requirement, affinity=True)
    return meets(requirement, LABELS)


def test_in_and_not_in() -> None:
    assert met("In", "rack", "r1", "r2")
    assert not met("In", "rack", "r2")
    assert met("NotIn", "rack", "r2")
    assert not met("NotIn", "rack", "r1", "r2")


def test_exists_and_does_not_exist() -> None:
    assert met("Exists", "rack")
    assert not met("DoesNotExist", "rack")


def test_a_missing_key_meets_only_not_in_and_does_not_exist() -> None:
    assert not met("In", "zone", "a")
    assert not met("Exists", "zone")
    assert not met("Gt", "zone", "0")
    assert not met("Lt", "zone", "9")
    assert met("NotIn", "zone", "a")
    assert met("DoesNotExist", "zone")


def test_an_empty_value_is_a_value() -> None:
    assert met("Exists", "empty")
    assert met("In", "empty", "")
    assert not met("NotIn", "empty", "")


def test_gt_and_lt_compare_whole_numbers() -> None:
    assert met("Gt", "size", "9")
    assert not met("Gt", "size", "12")
    assert met("Lt", "size", "100")
    assert not met("Lt", "size", "12")


def test_gt_of_a_label_that_is_no_number_does_not_match() -> None:
    assert not met("Gt", "rack", "0")
    assert not met("Lt", "empty", "9")


def test_gt_and_lt_reach_to_the_largest_number_of_64_bits() -> None:
    biggest = {"size": str(2**63 - 1)}
    assert meets(Requirement("size", "Gt", (str(2**63 - 2),)), biggest)
    assert not meets(Requirement("size", "Gt", ("1",)), {"size": str(2**63)})
    with pytest.raises(ValueError, match="needs one whole number"):
        check_requirement(Requirement("size", "Gt", (str(2**63),)), affinity=True)


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        (Requirement("rack", "Equals", ("r1",)), "operator 'Equals' is not one of In, NotIn, Exists, DoesNotExist$"),
        (Requirement("rack", "in", ("r1",)), "operator 'in' is not one of"),
        (Requirement("rack", "Gt", ("1",)), "operator 'Gt' is not one of In, NotIn, Exists, DoesNotExist$"),
        (Requirement("rack", "In"), "In of key 'rack' needs values"),
        (Requirement("rack", "NotIn"), "NotIn of key 'rack' needs values"),
        (Requirement("rack", "Exists", ("r1",)), "Exists of key 'rack' takes no values"),
        (Requirement("rack", "DoesNotExist", ("r1",)), "takes no values"),
        (Requirement("", "Exists"), "'' is not a label key"),
        (Requirement("a b", "Exists"), "'a b' is not a label key"),
        (Requirement("rack", "In", ("r 1",)), "'r 1' is not a label value"),
    ],
)
def test_requirements_that_no_label_selector_can_have(requirement: Requirement, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_requirement(requirement)


@pytest.mark.parametrize("values", [(), ("1", "2"), ("x",), ("1.5",), ("",)])
def test_gt_in_affinity_needs_one_whole_number(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Gt of key 'size' needs one whole number"):
        check_requirement(Requirement("size", "Gt", values), affinity=True)


def test_all_parts_of_a_label_selector_must_match() -> None:
    one = LabelSelector({"rack": "r1"}, (Requirement("size", "Exists"),))
    assert selects(one, LABELS)
    assert not selects(one, {"rack": "r1"})
    assert not selects(one, {"size": "12"})


def test_an_empty_or_absent_label_selector_matches_everything() -> None:
    assert selects(LabelSelector(), {})
    assert selects(None, {})


def term(*requirements: Requirement, fields: tuple[Requirement, ...] = ()) -> NodeSelectorTerm:
    return NodeSelectorTerm(requirements, fields)


RACK = Requirement("rack", "In", ("r1",))
ZONE = Requirement("zone", "Exists")


def test_terms_of_an_affinity_are_alternatives_and_their_parts_are_not() -> None:
    assert affinity_selects((term(ZONE), term(RACK)), "n1", LABELS)
    assert not affinity_selects((term(ZONE, RACK),), "n1", LABELS)


def test_an_empty_term_matches_nothing_and_no_affinity_matches_everything() -> None:
    assert not affinity_selects((term(),), "n1", LABELS)
    assert affinity_selects((term(), term(RACK)), "n1", LABELS)
    assert not affinity_selects((), "n1", LABELS)
    assert affinity_selects(None, "n1", LABELS)


def test_match_fields_compare_the_node_s_name() -> None:
    only = term(fields=(Requirement("metadata.name", "In", ("n1",)),))
    never = term(RACK, fields=(Requirement("metadata.name", "NotIn", ("n1",)),))
    assert affinity_selects((only,), "n1", {})
    assert not affinity_selects((only,), "n2", {})
    assert affinity_selects((never,), "n2", LABELS)
    assert not affinity_selects((never,), "n1", LABELS)


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        (Requirement("metadata.uid", "In", ("x",)), "field 'metadata.uid' is not metadata.name"),
        (Requirement("metadata.name", "Exists"), "operator 'Exists' is not one of In, NotIn"),
        (Requirement("metadata.name", "In", ("a", "b")), "needs one value"),
        (Requirement("metadata.name", "In"), "needs one value"),
    ],
)
def test_match_fields_that_kubernetes_refuses(requirement: Requirement, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_field_requirement(requirement)


DEDICATED = Taint("dedicated", "NoSchedule", "bgp")


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration("dedicated", "Equal", "bgp", "NoSchedule"), True),
        (Toleration("dedicated", "Equal", "bgp"), True),
        (Toleration("dedicated", "Exists"), True),
        (Toleration("", "Exists"), True),
        (Toleration("", "Exists", effect="NoSchedule"), True),
        (Toleration("", "Exists", effect="NoExecute"), False),
        (Toleration("dedicated", "Equal", "db"), False),
        (Toleration("dedicated", "Equal"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("dedicated", "Exists", effect="NoExecute"), False),
    ],
)
def test_a_toleration_covers_a_taint_by_key_value_and_effect(toleration: Toleration, covers: bool) -> None:
    assert tolerates(toleration, DEDICATED) is covers
    assert (untolerated([DEDICATED], [toleration], False) is None) is covers


@pytest.mark.parametrize(
    ("operator", "bound", "value", "covers"),
    [
        ("Gt", "900", "950", True),
        ("Gt", "900", "900", False),
        ("Gt", "900", "1000", True),
        ("Lt", "900", "899", True),
        ("Lt", "900", "900", False),
        ("Lt", "0", "-1", True),
        ("Gt", "900", "0950", False),
        ("Gt", "900", "+950", False),
        ("Gt", "900", "high", False),
        ("Gt", "900", "", False),
        ("Gt", "09", "950", False),
        ("Gt", "1", str(2**63 - 1), True),
        ("Gt", "1", str(2**63), False),
        ("Gt", str(-(2**63)), "0", True),
        ("Near", "950", "950", False),
    ],
)
def test_gt_and_lt_compare_the_taint_s_integer(operator: str, bound: str, value: str, covers: bool) -> None:
    assert tolerates(Toleration("level", operator, bound), Taint("level", "NoSchedule", value)) is covers
    assert not tolerates(Toleration("level", operator, bound), Taint("other", "NoSchedule", value))
    assert not tolerates(Toleration("level", operator, bound, "NoExecute"), Taint("level", "NoSchedule", value))


def test_a_taint_without_value_is_tolerated_by_an_equal_without_value() -> None:
    assert tolerates(Toleration("gpu"), Taint("gpu", "NoSchedule"))


def test_prefer_no_schedule_keeps_no_pod_off() -> None:
    assert untolerated([Taint("gpu", "PreferNoSchedule")], [], False) is None


def test_no_execute_keeps_a_pod_off() -> None:
    taint = Taint("gpu", "NoExecute")
    assert untolerated([Taint("a", "PreferNoSchedule"), taint], [], False) == taint


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ],
)
def test_every_daemonset_tolerates_what_its_controller_adds(key: str, effect: str) -> None:
    other = "NoExecute" if effect == "NoSchedule" else "NoSchedule"
    assert untolerated([Taint(f"node.kubernetes.io/{key}", effect)], [], False) is None
    assert untolerated([Taint(f"node.kubernetes.io/{key}", other)], [], False) is not None


def test_network_unavailable_is_tolerated_only_on_the_host_network() -> None:
    taint = Taint("node.kubernetes.io/network-unavailable", "NoSchedule")
    assert untolerated([taint], [], True) is None
    assert untolerated([taint], [], False) == taint

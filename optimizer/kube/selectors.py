"""Label selectors and node affinity as Kubernetes evaluates them.

Sources: k8s.io/apimachinery `labels.Selector`, k8s.io/component-helpers `nodeaffinity`. All errors are `ValueError`
with a sentence; the readers add file and object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..model import LabelSelector, NodeSelectorTerm, Requirement
from .names import check_label_key, check_label_value

OPERATORS: Mapping[str, Callable[[str | None, Any], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: is_integer(value) and int(value or 0) > int(values[0]),
    "Lt": lambda value, values: is_integer(value) and int(value or 0) < int(values[0]),
}


def is_integer(value: str | None) -> bool:
    """Whether a label value is a whole number of 64 bits, as the operators Gt and Lt need it."""
    if value is None or not re.fullmatch(r"[+-]?\d{1,63}", value, re.ASCII):
        return False
    return -(2**63) <= int(value) < 2**63


def check_requirement(requirement: Requirement, affinity: bool = False) -> None:
    """Raise ValueError where Kubernetes would refuse the requirement; Gt and Lt exist in node affinity only."""
    known = list(OPERATORS) if affinity else list(OPERATORS)[:4]
    operator, values = requirement.operator, requirement.values
    if operator not in known:
        raise ValueError(f"operator {operator!r} is not one of {', '.join(known)}")
    if operator in ("In", "NotIn") and not values:
        raise ValueError(f"operator {operator} of key {requirement.key!r} needs values")
    if operator in ("Exists", "DoesNotExist") and values:
        raise ValueError(f"operator {operator} of key {requirement.key!r} takes no values")
    if operator in ("Gt", "Lt") and (len(values) != 1 or not is_integer(values[0])):
        raise ValueError(f"operator {operator} of key {requirement.key!r} needs one whole number")
    check_label_key(requirement.key)
    for value in values:
        check_label_value(value)


def check_field_requirement(requirement: Requirement) -> None:
    """Raise ValueError unless it is a `matchFields` entry: metadata.name, In or NotIn, one value."""
    if requirement.key != "metadata.name":
        raise ValueError(f"field {requirement.key!r} is not metadata.name, the only one that can be matched")
    if requirement.operator not in ("In", "NotIn"):
        raise ValueError(f"operator {requirement.operator!r} is not one of In, NotIn")
    if len(requirement.values) != 1:
        raise ValueError(f"operator {requirement.operator} of field metadata.name needs one value")


def meets(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether labels meet one requirement; a missing label meets NotIn and DoesNotExist."""
    return OPERATORS[requirement.operator](labels.get(requirement.key), requirement.values)


def selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; None (absent) and empty match everything."""
    if selector is None:
        return True
    return selector.match_labels.items() <= labels.items() and (
        not selector.match_expressions or all(meets(requirement, labels) for requirement in selector.match_expressions)
    )


def matcher(selector: LabelSelector | None) -> Callable[[Mapping[str, str]], bool]:
    """`selects` for one selector and many nodes: a long list of values is not searched through each time."""
    if selector is None:
        return lambda labels: True
    wanted = selector.match_labels.items()
    tests = [
        (part.key, OPERATORS[part.operator], frozenset(part.values) if len(part.values) > 1 else part.values)
        for part in selector.match_expressions
    ]
    return lambda labels: wanted <= labels.items() and all(test(labels.get(key), values) for key, test, values in tests)


def affinity_selects(terms: tuple[NodeSelectorTerm, ...] | None, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a required node affinity matches: any term does; an empty term matches nothing."""
    if terms is None:
        return True
    return any(
        bool(term.match_expressions or term.match_fields)
        and all(meets(requirement, labels) for requirement in term.match_expressions)
        and all(meets(requirement, {"metadata.name": name}) for requirement in term.match_fields)
        for term in terms
    )


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector of an object as `kubectl -l`, or a query, takes it.

    >>> selector_text({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]})
    'a=b,c'
    """
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], f"({','.join(each.get('values') or ())})"
        forms = {"In": f"{key} in {values}", "NotIn": f"{key} notin {values}", "Exists": key, "DoesNotExist": f"!{key}"}
        parts.append(forms[each["operator"]])
    return ",".join(parts)

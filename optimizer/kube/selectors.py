"""Rules of Kubernetes as pure functions: quantities, selectors, taints, pod requests, name limits.

Sources: k8s.io/apimachinery `resource.Quantity` and `labels.Selector`, k8s.io/component-helpers
`PodRequests` and `nodeaffinity`, and the documentation of taints, labels and DaemonSets.
All errors are `ValueError` with a sentence; the readers add file and object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..model import LabelSelector, NodeSelectorTerm, Requirement, Resources, Taint, Toleration

QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?", re.ASCII)
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
MAX_QUANTITY = 2**63 - 1
"""Kubernetes caps larger quantities to this value."""

DAEMONSET_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
"""Taints that the DaemonSet controller lets every pod of a DaemonSet tolerate."""

HOST_NETWORK_TOLERATED = ("node.kubernetes.io/network-unavailable", "NoSchedule")

NAME_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)


@lru_cache(maxsize=65536, typed=True)
def parse_quantity(text: str | int | float, unit: int = 1) -> int:
    """The quantity in 1/`unit` of its base unit, rounded up, as the scheduler rounds it.

    >>> parse_quantity("100m", 1000), parse_quantity("1.5", 1000), parse_quantity("4Gi"), parse_quantity("4e9")
    (100, 1500, 4294967296, 4000000000)

    Raises ValueError for what is no quantity and for negative ones, which no node or pod can have.
    """
    # White space around it does not matter, as `Quantity.UnmarshalJSON` trims it.
    shown = text.strip() if isinstance(text, str) else str(text)
    match = QUANTITY.fullmatch(shown) if len(shown) <= 200 else None
    if match is None or isinstance(text, bool):
        raise ValueError(f"{shown[:60]!r} is not a Kubernetes quantity (such as 100m, 1.5, 4Gi, 4e9)")
    sign, digits, suffix, exponent = match.groups()
    number = Fraction(digits + "0" if digits.endswith(".") else digits)
    if sign == "-" and number:
        raise ValueError(f"{shown[:60]!r} is negative")
    if suffix in BINARY:
        number *= 1024 ** BINARY[suffix]
    else:
        # Beyond these powers of ten the answer is the cap, or the smallest unit; do not compute them.
        power = max(-300, min(300, int(exponent))) if exponent else DECIMAL.get(suffix, 0)
        number *= Fraction(10) ** power
    scaled = min(number * unit, Fraction(MAX_QUANTITY))
    return -((-scaled.numerator) // scaled.denominator)


def parse_resources(requests: Mapping[str, str | int | float], pods: int = 0) -> Resources:
    """CPU, memory and pods of a resource list; other resources do not matter to a speaker.

    Raises ValueError that names the resource.
    """
    amounts = {}
    for name, unit in (("cpu", 1000), ("memory", 1), ("pods", 1)):
        if name in requests:
            try:
                amounts[name] = parse_quantity(requests[name], unit)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return Resources(amounts.get("cpu", 0), amounts.get("memory", 0), amounts.get("pods", 0) + pods)


def larger(a: Resources, b: Resources) -> Resources:
    """The larger of each resource."""
    return Resources(max(a.cpu, b.cpu), max(a.memory, b.memory), max(a.pods, b.pods))


def pod_requests(
    containers: Iterable[Resources],
    init_containers: Iterable[tuple[Resources, bool]],
    overhead: Resources,
    pod_level: Mapping[str, int],
) -> Resources:
    """What the scheduler counts for one pod (its count of pods is 1).

    The larger of the containers' sum and the highest need while the init containers run one after another,
    each on top of the sidecars (init containers with `restartPolicy: Always`, flagged True) started before it.
    Requests at pod level replace these for the resources that they name; then the overhead is added.
    """
    running = Resources()
    for container in containers:
        running += container
    sidecars = peak = Resources()
    for request, is_sidecar in init_containers:
        if is_sidecar:
            running += request
            sidecars += request
            peak = larger(peak, sidecars)
        else:
            peak = larger(peak, sidecars + request)
    need = larger(running, peak)
    total = Resources(pod_level.get("cpu", need.cpu), pod_level.get("memory", need.memory)) + overhead
    return Resources(total.cpu, total.memory, 1)


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


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ValueError for a label that no Kubernetes object can carry."""
    for key, value in labels.items():
        check_label_key(key)
        check_label_value(value)


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


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration], host_network: bool) -> Taint | None:
    """The first taint that keeps a DaemonSet's pod off the node, or None. PreferNoSchedule never does."""
    given = tuple(tolerations)
    automatic = (*DAEMONSET_TOLERATED, *((HOST_NETWORK_TOLERATED,) if host_network else ()))
    for taint in taints:
        if taint.effect not in ("NoSchedule", "NoExecute") or (taint.key, taint.effect) in automatic:
            continue
        if not any(tolerates(toleration, taint) for toleration in given):
            return taint
    return None


def check_label_key(key: str) -> None:
    """Raise ValueError unless `key` is `[prefix/]name`, prefix a DNS subdomain <= 253, name <= 63 characters."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not DNS_SUBDOMAIN.fullmatch(prefix)):
        raise ValueError(f"{key[:80]!r} is not a label key: its prefix is not a DNS subdomain")
    if not NAME_PART.fullmatch(name):
        raise ValueError(f"{key[:80]!r} is not a label key (letters, digits, '-', '_', '.'; at most 63 characters)")


@lru_cache(maxsize=65536)
def check_label_value(value: str) -> None:
    """Raise ValueError unless `value` is empty or at most 63 characters, alphanumeric at both ends."""
    if value and not NAME_PART.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a label value (letters, digits, '-', '_', '.'; at most 63 characters)")


def check_taint(taint: Taint) -> None:
    """Raise ValueError for a taint that no node can carry."""
    if taint.effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"effect {taint.effect!r} is not one of NoSchedule, PreferNoSchedule, NoExecute")
    check_labels({taint.key: taint.value})


def is_dns_subdomain(name: str) -> bool:
    """Whether `name` can be the name of a Node or a BgpPeer: a DNS subdomain of at most 253 characters."""
    return len(name) <= 253 and DNS_SUBDOMAIN.fullmatch(name) is not None


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

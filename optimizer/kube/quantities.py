"""Quantities and what a pod requests, as the scheduler counts.

Sources: k8s.io/apimachinery `resource.Quantity`, k8s.io/component-helpers `PodRequests`. All errors are `ValueError`
with a sentence; the readers add file and object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache

from ..model import Resources
from .names import check_label_key

QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?", re.ASCII)
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
MAX_QUANTITY = 2**63 - 1
"""Kubernetes caps larger quantities to this value."""
HUGE_PAGES = "hugepages-"
NOTHING = Resources()


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
    """A resource list; what there is none of is left out of `others`.

    Raises ValueError that names the resource.
    """
    cpu = memory = 0
    others: dict[str, int] = {}
    for name, quantity in requests.items():
        try:
            amount = parse_quantity(quantity, 1000 if name == "cpu" else 1)
            if name == "cpu":
                cpu = amount
            elif name == "memory":
                memory = amount
            elif name == "pods":
                pods += amount
            elif amount:
                check_resource_name(name)
                others[name] = amount
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if name.isprintable() else f"{name[:60]!r}: {error}") from None
    return Resources(cpu, memory, pods, others)


@lru_cache(maxsize=4096)
def check_resource_name(name: str) -> None:
    """Raise ValueError for what cannot be the name of a resource; it has the form of a label's key."""
    try:
        check_label_key(name)
    except ValueError:
        raise ValueError("not the name of a resource (such as ephemeral-storage, example.com/device)") from None


def in_bytes(name: str) -> bool:
    """Whether the resource is counted in bytes; the others, but for CPU, are counted in pieces."""
    return name in ("memory", "ephemeral-storage") or name.startswith(HUGE_PAGES)


def larger(a: Resources, b: Resources) -> Resources:
    """The larger of each resource."""
    others = a.others
    if b.others:
        others = {name: max(others.get(name, 0), b.others.get(name, 0)) for name in sorted({*others, *b.others})}
    return Resources(max(a.cpu, b.cpu), max(a.memory, b.memory), max(a.pods, b.pods), others)


def smaller(a: Resources, b: Resources) -> Resources:
    """The smaller of each resource."""
    others = {name: min(amount, b.others[name]) for name, amount in a.others.items() if name in b.others}
    return Resources(min(a.cpu, b.cpu), min(a.memory, b.memory), min(a.pods, b.pods), others)


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
    need = NOTHING
    for container in containers:
        need += container
    sidecars = peak = NOTHING
    for request, is_sidecar in init_containers:
        if is_sidecar:
            need += request
            sidecars += request
            peak = larger(peak, sidecars)
        else:
            peak = larger(peak, sidecars + request)
    need = larger(need, peak)
    cpu, memory, others = need.cpu, need.memory, need.others
    if pod_level:
        cpu, memory = pod_level.get("cpu", cpu), pod_level.get("memory", memory)
        others = {**others, **{name: amount for name, amount in pod_level.items() if name.startswith(HUGE_PAGES)}}
    return Resources(cpu, memory, 1, others) + overhead


def at_pod_level(name: str) -> bool:
    """Whether requests at pod level may name the resource."""
    return name in ("cpu", "memory") or name.startswith(HUGE_PAGES)

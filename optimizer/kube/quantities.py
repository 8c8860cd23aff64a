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

QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d+))?", re.ASCII)
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
MAX_QUANTITY = 2**63 - 1
"""Kubernetes caps larger quantities to this value."""


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

"""What admission adds to a speaker's pod beyond the DaemonSet's template, and rules of the scheduler beyond ours.

Defaults of a LimitRange, a vertical pod autoscaler or an injected sidecar show on running pods alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from ..findings import Finding
from ..kube.item import Item
from ..kube.objects import DaemonSetObject, LimitRangeObject, Quantities
from ..kube.parse import as_mapping, checked, entries
from ..kube.quantities import in_bytes, larger, parse_resources
from ..model import Resources, Speaker
from .requests import needs

Plain = Mapping[str, Any]


def as_admitted(
    speaker: Speaker, daemonset: Item, pods: Resources | None, limit_ranges: Iterable[Item]
) -> tuple[Speaker, list[Finding]]:
    """The speaker with what its pods really request, and the finding that says so.

    `pods` is what all of them request; without any the namespace's LimitRanges tell.
    """
    requests, rule = pods, "requests-from-pods"
    if requests is None:
        requests, rule = with_defaults(daemonset, limit_ranges), "requests-from-limit-range"
    most = larger(speaker.requests, requests)
    if most == speaker.requests:
        return speaker, []
    place = f"DaemonSet {speaker.namespace}/{speaker.name}"
    more = ", ".join(differences(speaker.requests, most))
    assumed = "a speaker is assumed to need that (speaker.requests of the policy goes before it)"
    if rule == "requests-from-pods":
        told = f"{place}: all its pods request more than its template says ({more}), as admission adds to it"
        finding = Finding("requests-from-pods", f"{told}; {assumed}", place)
    else:
        told = f"{place}: a LimitRange of its namespace adds to the requests of its template ({more})"
        finding = Finding("requests-from-limit-range", f"{told}; {assumed}", place)
    return replace(speaker, requests=most), [finding]


def with_defaults(daemonset: Item, limit_ranges: Iterable[Item]) -> Resources:
    """What a pod of the DaemonSet requests with the defaults of its namespace's LimitRanges. Raises InputError."""
    defaults: Quantities = {}
    for item in limit_ranges:
        if item.namespace == daemonset.namespace:
            found = item.load(LimitRangeObject).spec
            for index, limit in enumerate((found.limits if found else None) or ()):
                if limit.type == "Container":
                    # The first that has a default for a resource sets it; a default limit stands in for the request.
                    given = {**(limit.default or {}), **(limit.default_request or {})}
                    checked(f"{item.place}: spec.limits[{index}]", partial(parse_resources, given))
                    defaults = {**given, **defaults}
    spec = daemonset.load(DaemonSetObject).spec.template.spec
    return needs(spec, f"{daemonset.place}: spec.template.spec", defaults=defaults)


def differences(template: Resources, pods: Resources) -> Iterator[str]:
    """Where pods request more than the template, in words.

    >>> list(differences(Resources(0, 2**20), Resources(500, 2**20, others={"example.com/nic": 1})))
    ['500m CPU instead of 0m', '1 example.com/nic instead of 0']
    """
    if pods.cpu > template.cpu:
        yield f"{pods.cpu}m CPU instead of {template.cpu}m"
    if pods.memory > template.memory:
        yield f"{mebibytes(pods.memory)} memory instead of {mebibytes(template.memory)}"
    for name, amount in pods.others.items():
        before = template.others.get(name, 0)
        if amount > before:
            show = mebibytes if in_bytes(name) else str
            yield f"{show(amount)} {name} instead of {show(before)}"


def mebibytes(amount: int) -> str:
    """Bytes as Mi, rounded up."""
    return f"{-(-amount // 2**20)}Mi"


def unmodelled(speaker: Speaker) -> list[Finding]:
    """Rules of the scheduler in the template that are not judged, all in one finding."""
    template = speaker.manifest["spec"]["template"]["spec"]
    rules = list(rules_beyond(template))
    if not rules:
        return []
    place = f"DaemonSet {speaker.namespace}/{speaker.name}"
    told = (
        f"{place}: its template has {', '.join(rules)}, which {'is' if len(rules) == 1 else 'are'} not looked at: a "
        "node that counts as eligible may be refused by the scheduler"
    )
    return [Finding("scheduler-rule-not-modelled", told, place)]


def rules_beyond(pod: Plain) -> Iterator[str]:
    """What the scheduler looks at in a pod's spec and we do not, in words."""
    affinity = as_mapping(pod.get("affinity"))
    for name in ("podAffinity", "podAntiAffinity"):
        if as_mapping(affinity.get(name)).get("requiredDuringSchedulingIgnoredDuringExecution"):
            yield f"a required {name}"
    spreads = entries(pod.get("topologySpreadConstraints"))
    if any(each.get("whenUnsatisfiable") != "ScheduleAnyway" for each in spreads):
        yield "topologySpreadConstraints"
    volumes = entries(pod.get("volumes"))
    for name in ("ephemeral", "persistentVolumeClaim"):
        if any(each.get(name) for each in volumes):
            yield f"volumes of kind {name}"
    if pod.get("resourceClaims"):
        yield "resourceClaims"
    if pod.get("schedulingGates"):
        yield "schedulingGates"
    if pod.get("schedulerName") not in (None, "", "default-scheduler"):
        yield "another schedulerName than default-scheduler"
    if pod.get("runtimeClassName"):
        yield "a runtimeClassName"


def may_evict(speaker: Speaker) -> bool:
    """Whether the scheduler could make room for a speaker by evicting pods of lower priority.

    >>> template = {"spec": {"template": {"spec": {"priorityClassName": "system-node-critical"}}}}
    >>> may_evict(Speaker("lb", "speaker", {}, None, (), Resources(), True, template))
    True
    """
    pod = as_mapping(speaker.manifest["spec"]["template"]["spec"])
    return bool(pod.get("priorityClassName") or pod.get("priority")) and pod.get("preemptionPolicy") != "Never"

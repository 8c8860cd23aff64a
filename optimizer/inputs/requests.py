"""What one pod requests, as the scheduler and the kubelet count it.

Source: k8s.io/component-helpers `PodRequests` with the status of a resize in place. What containers request is the same
in many pods, so it is decoded and counted once for all that are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw

from ..errors import InputError
from ..kube.item import decode
from ..kube.objects import NULL, Container, Needs, PodSpec, PodStatus, Quantities
from ..kube.parse import checked
from ..kube.ports import runs_beside
from ..kube.quantities import NOTHING, at_pod_level, larger, parse_resources, pod_requests
from ..model import Resources

NO_STATUS = PodStatus()
NO_DEFAULTS: Quantities = {}
ABSENT = bytes(NULL)


def needs(spec: PodSpec, place: str, status: PodStatus = NO_STATUS, defaults: Quantities = NO_DEFAULTS) -> Resources:
    """What the scheduler counts for a pod; limits stand in for requests, as the API server defaults them.

    While it is resized in place that is the most of what is asked for, allotted and in effect; where the resize cannot
    be carried out, what is asked for is left aside. `defaults` are requests of each container that names none. Raises
    InputError; `place` is that of `spec`.
    """
    states = {each.name: each for each in (*(status.container_statuses or ()), *(status.init_container_statuses or ()))}
    infeasible = is_infeasible(status)

    def count(containers: list[Container], field: str) -> Iterator[tuple[Resources, bool]]:
        for index, container in enumerate(containers):
            where, sidecar = f"{place}.{field}[{index}].resources", runs_beside(container)
            asked = bytes(container.resources)
            if defaults:
                asked = msgspec.json.encode({"requests": defaults | amounts_of(decoded(asked, where))})
            # Other init containers cannot be resized.
            state = states.get(container.name or "") if sidecar or field == "containers" else None
            if state is None:
                yield known(asked, ABSENT, ABSENT, False, where), sidecar
            else:
                allotted, effect = bytes(state.allocated_resources), bytes(state.resources)
                yield known(asked, allotted, effect, infeasible, where), sidecar

    overhead = NOTHING
    if spec.overhead:
        overhead = checked(f"{place}.overhead", lambda: parse_resources(spec.overhead or {}))
    return pod_requests(
        [request for request, _ in count(spec.containers or [], "containers")],
        count(spec.init_containers, "initContainers") if spec.init_containers else (),
        overhead,
        pod_level(spec, status, place, overhead) if spec.resources else {},
    )


def known(asked: bytes, allotted: bytes, effect: bytes, infeasible: bool, place: str) -> Resources:
    """What counts of a container, worked out once for all that are alike. Raises InputError at `place`."""
    try:
        return of_all_alike(asked, allotted, effect, infeasible)
    except InputError:
        return counted(asked, allotted, effect, infeasible, place)


@lru_cache(maxsize=65536)
def of_all_alike(asked: bytes, allotted: bytes, effect: bytes, infeasible: bool) -> Resources:
    """What counts of a container. Raises InputError that names no place."""
    return counted(asked, allotted, effect, infeasible, "")


def counted(asked: bytes, allotted: bytes, effect: bytes, infeasible: bool, place: str) -> Resources:
    """What counts of a container: `asked` and `effect` are the JSON of its `resources` and of those in its status,
    `allotted` of the amounts there. Raises InputError."""
    state = f"{place} (in the status)"
    given: Quantities | None = decode(Raw(allotted), Quantities | None, state)
    lists = [listed for listed in (given, decoded(effect, state).requests) if listed is not None]
    found = [amounts(listed, state) for listed in lists]
    if not found or not infeasible:
        found.append(amounts(amounts_of(decoded(asked, place)), place))
    most = found[0]
    for each in found[1:]:
        most = larger(most, each)
    return most


def decoded(content: bytes, place: str) -> Needs:
    """The `resources` of a container. Raises InputError."""
    found: Needs | None = decode(Raw(content), Needs | None, place)
    return found or Needs()


def amounts_of(resources: Needs) -> Quantities:
    """The requests, and the limits of what has no request."""
    return {**(resources.limits or {}), **(resources.requests or {})}


def amounts(listed: Quantities, place: str) -> Resources:
    """The amounts of a list; a container has no number of pods. Raises InputError."""
    return checked(place, lambda: parse_resources({name: listed[name] for name in listed if name != "pods"}))


def is_infeasible(status: PodStatus) -> bool:
    """Whether the kubelet says that the pod's resize can never be carried out: by a condition, before Kubernetes 1.33
    by a field."""
    for condition in status.conditions or ():
        if condition.type == "PodResizePending":
            return condition.reason == "Infeasible"
    return status.resize == "Infeasible"


def pod_level(spec: PodSpec, status: PodStatus, place: str, overhead: Resources) -> Mapping[str, int]:
    """The requests of the pod as a whole, by name, which go before those of its containers. Raises InputError.

    A limit of the pod stands in only where no container names the resource. In the status the overhead is included.
    """
    given = spec.resources or Needs()
    containers = (*(spec.containers or ()), *(spec.init_containers or ()))
    named = {name for each in containers for name in amounts_of(decoded(bytes(each.resources), place))}
    asked = {name: value for name, value in (given.limits or {}).items() if name not in named} | (given.requests or {})
    asked = {name: value for name, value in asked.items() if at_pod_level(name)}
    state = f"{place.removesuffix('.spec')}.status"
    said = ((status.resources or Needs()).requests, status.allocated_resources)
    found = [amounts(listed, state) - overhead for listed in said if listed]
    if not found or not is_infeasible(status):
        found.append(amounts(asked, f"{place}.resources"))

    def amount(counted: Resources, name: str) -> int:
        return counted.cpu if name == "cpu" else counted.memory if name == "memory" else counted.others.get(name, 0)

    return {name: max(0, *(amount(each, name) for each in found)) for name in asked}

"""Host ports of pods, and which of them exclude each other, as the scheduler judges.

Source: kube-scheduler, plugin NodePorts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache, partial

import msgspec

from ..words import explain
from .objects import Container, ContainerPort, PodSpec
from .parse import checked

Port = tuple[str, str, int]
"""Protocol, address of the host, port."""
ANY = "0.0.0.0"  # noqa: S104 -- an address that stands for all, and is bound by nobody here
PROTOCOLS = ("TCP", "UDP", "SCTP")


def host_ports(spec: PodSpec, place: str) -> tuple[Port, ...]:
    """The ports of the host that a pod takes: those of its containers and sidecars, sorted.

    On the host's network every port of a container is one. Raises InputError; `place` is that of `spec`.
    """
    found: set[Port] = set()
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers or ()):
            if field == "containers" or runs_beside(container):
                ports = partial(container_ports, bytes(container.ports), bool(spec.host_network))
                found.update(checked(f"{place}.{field}[{index}].ports", ports))
    return tuple(sorted(found))


def runs_beside(container: Container) -> bool:
    """Whether an init container is a sidecar, which keeps running beside the containers."""
    return container.restart_policy == "Always"


@lru_cache(maxsize=4096)
def container_ports(content: bytes, host_network: bool) -> tuple[Port, ...]:
    """The host ports among a container's `ports`, which are given as JSON. Raises ValueError."""
    try:
        listed = msgspec.json.decode(content, type=list[ContainerPort] | None) or ()
    except msgspec.DecodeError as error:
        raise ValueError(explain(str(error))) from None
    found = []
    for port in listed:
        number = port.host_port or (port.container_port if host_network else 0) or 0
        if not number:
            continue
        protocol = port.protocol or "TCP"
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol {protocol[:80]!r} is not one of {', '.join(PROTOCOLS)}")
        if not 0 < number < 2**16:
            raise ValueError(f"port {number} is not from 1 to 65535")
        found.append((protocol, canonical(port.host_ip or ANY), number))
    return tuple(found)


def canonical(address: str) -> str:
    """An address of the host in one form; all that stand for every address are one. Raises ValueError."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(f"hostIP {address[:80]!r} is not an IP address") from None
    return ANY if parsed.is_unspecified else str(parsed)


def taken(wanted: Iterable[Port], others: Iterable[Port]) -> tuple[str, ...]:
    """Those of the wanted ports that others hold, in words, sorted.

    >>> taken([("TCP", "0.0.0.0", 50051), ("TCP", "10.0.0.1", 179)], [("TCP", "10.0.0.2", 50051), ("UDP", ANY, 179)])
    ('TCP 50051',)
    """
    held = tuple(others)
    return tuple(sorted({f"{port[0]} {port[2]}" for port in wanted if any(excludes(port, each) for each in held)}))


def excludes(one: Port, other: Port) -> bool:
    """Whether two pods with these ports cannot run on one node.

    >>> excludes(("TCP", "10.0.0.1", 179), ("TCP", "10.0.0.2", 179)), excludes(("TCP", ANY, 179), ("UDP", ANY, 179))
    (False, False)
    """
    same = one[0] == other[0] and one[2] == other[2]
    return same and (one[1] == other[1] or ANY in (one[1], other[1]))

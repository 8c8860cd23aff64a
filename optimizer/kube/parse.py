"""Parts that several objects and our own files have in common, checked as Kubernetes checks them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import starmap
from typing import Any, TypeVar

from ..errors import InputError
from ..model import LabelSelector, Requirement, Taint, Toleration
from .names import check_labels
from .objects import Expression, PodToleration, Selector
from .selectors import check_requirement
from .taints import check_taint, check_toleration

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
BROADCAST = ipaddress.IPv4Address("255.255.255.255")
ZONE = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
"""What may stand behind the % of an IPv6 address: the name of an interface."""


def checked(place: str, rule: Callable[[], T]) -> T:
    """What `rule` returns; its ValueError becomes an InputError at `place`."""
    try:
        return rule()
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None


def requirements(
    expressions: list[Expression] | None, place: str, rule: Callable[[Requirement], None] = check_requirement
) -> tuple[Requirement, ...]:
    """`matchExpressions` or `matchFields`, each checked by `rule` as Kubernetes checks it."""
    found = tuple(Requirement(entry.key, entry.operator, tuple(entry.values or ())) for entry in expressions or ())
    for requirement in found:
        checked(place, partial(rule, requirement))
    return found


def read_selector(selector: Selector | None, place: str) -> LabelSelector | None:
    """A `metav1.LabelSelector`; None where it is absent."""
    if selector is None:
        return None
    labels = selector.match_labels or {}
    checked(f"{place}.matchLabels", partial(check_labels, labels))
    return LabelSelector(labels, requirements(selector.match_expressions, f"{place}.matchExpressions"))


@lru_cache(maxsize=4096)
def read_taints(*given: tuple[str, str, str]) -> tuple[Taint, ...]:
    """The taints from key, effect and value of each. Raises ValueError."""
    taints = tuple(starmap(Taint, given))
    for taint in taints:
        check_taint(taint)
    return taints


def taint_of(raw: Mapping[str, Any]) -> Taint:
    """A taint of a Node object."""
    return Taint(raw["key"], raw["effect"], raw.get("value") or "")


def raw_taint(taint: Taint) -> dict[str, str]:
    """A taint as it stands in a Node object; one without a value has no such key.

    >>> raw_taint(Taint("dedicated", "NoSchedule"))
    {'key': 'dedicated', 'effect': 'NoSchedule'}
    """
    return {"key": taint.key, **({"value": taint.value} if taint.value else {}), "effect": taint.effect}


def read_toleration(entry: PodToleration, place: str) -> Toleration:
    """A toleration of a pod. Raises InputError for one that Kubernetes refuses."""
    found = Toleration(entry.key or "", entry.operator or "Equal", entry.value or "", entry.effect or "")
    checked(place, partial(check_toleration, found))
    return found


def toleration_of(raw: Mapping[str, Any]) -> Toleration:
    """A toleration of anybody's pod template: an operator that we do not know is no reason to refuse the input.

    >>> toleration_of({"key": "level", "operator": "Near", "value": "3"})
    Toleration(key='level', operator='Near', value='3', effect='')
    """
    key, operator, value, effect = (raw.get(name) or "" for name in ("key", "operator", "value", "effect"))
    return Toleration(key, operator or "Equal", value, effect)


def ip_address(text: str) -> Address:
    """An IP address; one of IPv4 that is mapped into IPv6 is the IPv4 address. Raises ValueError.

    >>> ip_address("::ffff:10.0.1.1")
    IPv4Address('10.0.1.1')
    """
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return address
    if address.scope_id is None:
        return address.ipv4_mapped or address
    if address.ipv4_mapped or not ZONE.fullmatch(address.scope_id):
        raise ValueError(f"{text[:80]!r} is not an IP address")
    return address


def ip_network(text: str) -> Network:
    """A range of IP addresses; one of IPv4 that is mapped into IPv6 is the IPv4 range. Raises ValueError.

    >>> ip_network("::ffff:10.0.1.0/120")
    IPv4Network('10.0.1.0/24')
    """
    if "%" in text:
        raise ValueError(f"{text[:80]!r} is not a range of IP addresses")
    network = ipaddress.ip_network(text)
    if network.version == 6 and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return ipaddress.IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def parse_address(text: str, place: str) -> str:
    """A router's IP address in its canonical form. Raises InputError, the address in it escaped.

    Loopback is refused as well: there every node meets itself, and no router that the others meet.
    """
    try:
        address = ip_address(text)
    except ValueError:
        raise InputError(f"{place}: {text[:80]!r} is not an IP address") from None
    if address.is_unspecified or address.is_multicast or address.is_loopback or address == BROADCAST:
        raise InputError(f"{place}: no router can have the address {text[:80]}")
    return str(address)


def check_asn(asn: int, place: str, least: int = 0) -> int:
    """The AS number, 0 where it is not set. Raises InputError where it has more than 32 bits."""
    if not least <= asn < 2**32:
        raise InputError(f"{place} must be from {least} to 4294967295, not {asn}")
    return asn


def as_mapping(value: object) -> Mapping[str, Any]:
    """A part of an object that should be a mapping; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def entries(value: object) -> list[Mapping[str, Any]]:
    """A part of an object that should be a list of mappings; an empty one for anything else."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []

"""Objects that an input has twice: equal ones are one, and of others it is said in what they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Raw

from ..errors import InputError
from ..kube.item import Item, decode

FIRST = ("spec", "metadata", "status")
MOVING = ("metadata.resourceVersion", "metadata.generation")
"""What changes with every other change, so it is named only where nothing else differs."""


def check_equal(first: Item, second: Item, content: Callable[[Item], Raw]) -> None:
    """Raise InputError unless both are the same state of one object; `content` gives the whole of each."""
    one, two = content(first), content(second)
    if one == two:
        return
    given = [decode(each, dict[str, Any], item.place) for each, item in ((one, first), (two, second))]
    metas = [each["metadata"] if isinstance(each.get("metadata"), dict) else {} for each in given]
    states = [(meta.get("uid"), meta.get("resourceVersion")) for meta in metas]
    if states[0] == states[1] and all(states[0]):
        return
    for each, meta in zip(given, metas, strict=True):
        # Members of a typed list leave the kind to it, the namespace may be left out, and who set which field is shown
        # by some tools only.
        for holder, key in ((each, "kind"), (each, "apiVersion"), (meta, "namespace"), (meta, "managedFields")):
            holder.pop(key, None)
    fields = [*differing(given[0], given[1])]
    if not fields:
        return
    field = next((each for each in fields if each not in MOVING), fields[0])
    versions = [str(version) for _, version in states]
    told = f" (resourceVersion {versions[0]} and {versions[1]})" if all(each for _, each in states) else ""
    raise InputError(
        f"{second.place}: given twice, first in {first.file}; they differ in {field}{told}, so leave one of them out"
    )


def differing(one: Mapping[str, Any], two: Mapping[str, Any], field: str = "") -> Iterator[str]:
    """The fields in which two objects differ, those that people set first.

    >>> list(differing({"spec": {"a": 1, "b": [1]}}, {"spec": {"a": 2, "b": [1, 2]}}))
    ['spec.a', 'spec.b']
    """
    for key in sorted(one.keys() | two.keys(), key=order):
        inner, other = one.get(key), two.get(key)
        if isinstance(inner, dict) and isinstance(other, dict):
            yield from differing(inner, other, f"{field}{key}.")
        elif inner != other:
            yield f"{field}{key}"


def order(key: str) -> tuple[int, str]:
    """Where a field comes among others.

    >>> sorted(["status", "data", "metadata", "spec"], key=order)
    ['spec', 'metadata', 'status', 'data']
    """
    return FIRST.index(key) if key in FIRST else len(FIRST), key

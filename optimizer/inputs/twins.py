"""Objects that an input has twice: equal ones are one, of a whole and a trimmed one the whole counts, and of others it
is said in what they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Raw

from ..errors import InputError
from ..kube.item import Item, decode
from .notes import Notes

FIRST = ("spec", "metadata", "status")
MOVING = ("metadata.resourceVersion", "metadata.generation")
"""What changes with every other change, so it is named only where nothing else differs."""


def choose(first: Item, second: Item, content: Callable[[Item], Raw], notes: Notes) -> Item:
    """The one of two items of one object that counts; `content` gives the whole of each.

    Either is right where both are equal, whoever set which field. Of one version that was trimmed in one of them, the
    fuller one counts, whichever comes first. Raises InputError for all others.
    """
    one, two = content(first), content(second)
    if one == two:
        return first
    given = [plain(each, item) for each, item in ((one, first), (two, second))]
    if given[0] == given[1]:
        return first
    versions = [str(meta_of(each).get("resourceVersion") or "") for each in given]
    if versions[0] and versions[0] == versions[1]:
        fuller = first if within(given[1], given[0]) else second if within(*given) else None
        if fuller:
            notes.trimmed.append(fuller.title)
            return fuller
    raise InputError(f"{second.place}: given twice, first in {first.file}; they differ in {told(given, versions)}")


def plain(content: Raw, item: Item) -> dict[str, Any]:
    """An object without what is no difference: members of a typed list leave the kind to it, the namespace may be left
    out, and who set which field is shown by some tools only."""
    given: dict[str, Any] = decode(content, dict[str, Any], item.place)
    for holder, key in ((given, "kind"), (given, "apiVersion"), (meta_of(given), "namespace")):
        holder.pop(key, None)
    meta_of(given).pop("managedFields", None)
    return given


def meta_of(given: dict[str, Any]) -> dict[str, Any]:
    """The metadata of an object; empty where there is none."""
    found = given.get("metadata")
    return found if isinstance(found, dict) else {}


def within(part: object, whole: object) -> bool:
    """Whether every field of a part stands in the whole with the same value; no value is no field.

    >>> within({"a": 1, "b": [{"c": 2}], "d": None}, {"a": 1, "b": [{"c": 2, "e": 3}], "f": 4})
    True
    >>> within({"a": []}, {"a": [1]}), within({"a": {}}, {}), within({"a": False}, {"a": True})
    (False, True, False)
    """
    if part is None or (whole is None and part in ({}, [], "")):
        return True
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return type(part) is type(whole) and part == whole


def told(given: Sequence[dict[str, Any]], versions: Sequence[str]) -> str:
    """In what two objects differ, and what to do."""
    one, two = given
    of_one = bool(versions[0]) and versions[0] == versions[1]
    # Of one version, what either lacks was trimmed, and is no contradiction.
    fields = [*differing(one, two, trimmed=True)] if of_one else []
    fields = fields or [*differing(one, two)]
    field = next((each for each in fields if each not in MOVING), fields[0])
    more = f" (resourceVersion {' and '.join(versions)})" if all(versions) else ""
    if of_one:
        more = f", though both are of resourceVersion {versions[0]}"
    return f"{field}{more}, so leave one of them out"


def differing(one: Mapping[str, Any], two: Mapping[str, Any], field: str = "", trimmed: bool = False) -> Iterator[str]:
    """The fields in which two objects differ, those that people set first; where they are `trimmed`, those alone in
    which neither can be a part of the other.

    >>> list(differing({"spec": {"a": 1, "b": [1]}}, {"spec": {"a": 2, "b": [1, 2]}}))
    ['spec.a', 'spec.b']
    """
    for key in sorted(one.keys() | two.keys(), key=order):
        inner, other = one.get(key), two.get(key)
        if isinstance(inner, dict) and isinstance(other, dict):
            yield from differing(inner, other, f"{field}{key}.", trimmed)
        elif inner != other and not (trimmed and (within(inner, other) or within(other, inner))):
            yield f"{field}{key}"


def order(key: str) -> tuple[int, str]:
    """Where a field comes among others.

    >>> sorted(["status", "data", "metadata", "spec"], key=order)
    ['spec', 'metadata', 'status', 'data']
    """
    return FIRST.index(key) if key in FIRST else len(FIRST), key

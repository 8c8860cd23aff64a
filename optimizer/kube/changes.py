"""Kubernetes objects as plain data, the changes to them, and the exact inverse of each change.

Objects are keyed (kind, namespace, name), the namespace empty for kinds without one. How a change is written
follows what the API server does with the field: labels by key, taints by key and effect, atomic fields as a
whole under a JSON-patch `test` of the value they replace, so that a foreign edit in between is never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from ..errors import InternalError
from ..model import Taint
from .parse import raw_taint, taint_of
from .patches import json_patch, merge, unmerge, unpatch

Key = tuple[str, str, str]
Objects = dict[Key, dict[str, Any]]

SERVER_SET = (
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


class Label(Struct, frozen=True, tag=True, tag_field="change"):
    """Set the label `key` of the nodes to `value`; None removes it."""

    key: str
    value: str | None
    nodes: tuple[str, ...]


class TaintNodes(Struct, frozen=True, tag=True, tag_field="change"):
    """Give the nodes the taint (in place of one with the same key and effect), or take it away."""

    taint: Taint
    present: bool
    nodes: tuple[str, ...]


class Patch(Struct, frozen=True, tag=True, tag_field="change"):
    """Patch one object: `body` is a JSON merge patch (RFC 7386) or a list of JSON patch operations (RFC 6902)."""

    kind: str
    namespace: str
    name: str
    type: Literal["merge", "json"]
    body: Any


class Create(Struct, frozen=True, tag=True, tag_field="change"):
    """Create an object."""

    manifest: Mapping[str, Any]


class Delete(Struct, frozen=True, tag=True, tag_field="change"):
    """Delete an object."""

    kind: str
    namespace: str
    name: str


class Restart(Struct, frozen=True, tag=True, tag_field="change"):
    """Restart the speakers on these nodes that still have an old template, one round after another.

    Changes no object; a round begins when everything that is to be up is up.
    """

    rounds: tuple[tuple[str, ...], ...]


Change = Label | TaintNodes | Patch | Create | Delete | Restart


def key_of(manifest: Mapping[str, Any]) -> Key:
    """The key of an object."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def clean(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The object without its status and without what the API server sets, as it could be created again."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in SERVER_SET}
    return {**{name: value for name, value in manifest.items() if name != "status"}, "metadata": metadata}


def apply_changes(objects: Objects, changes: Iterable[Change]) -> Objects:
    """The objects after the changes; `objects` stays as it is.

    Raises InternalError for an object that is missing (or exists already) and for a failed `test`.
    """
    result = dict(objects)
    for change in changes:
        make(result, change)
    return result


def make(objects: Objects, change: Change) -> None:
    """Make one change in `objects`, where new objects take the place of those that change. Raises InternalError."""
    match change:
        case Label(key, value, nodes):
            for name in nodes:
                objects["Node", "", name] = with_label(find(objects, ("Node", "", name)), key, value)
        case TaintNodes(taint, present, nodes):
            for name in nodes:
                objects["Node", "", name] = with_taint(find(objects, ("Node", "", name)), taint, present)
        case Patch(kind, namespace, name, type_, body):
            target = find(objects, (kind, namespace, name))
            objects[kind, namespace, name] = merge(target, body) if type_ == "merge" else json_patch(target, body)
        case Create(manifest):
            if key_of(manifest) in objects:
                raise InternalError(f"{' '.join(filter(None, key_of(manifest)))} is to be created but exists")
            objects[key_of(manifest)] = dict(manifest)
        case Delete(kind, namespace, name):
            find(objects, (kind, namespace, name))
            del objects[kind, namespace, name]
        case Restart():
            pass


def inverse(objects: Objects, change: Change) -> tuple[Change, ...]:
    """The changes that take back `change`, where `objects` are as they were before it."""
    match change:
        case Label(key, value, nodes):
            return tuple(Label(key, old, names) for old, names in former_labels(objects, key, value, nodes))
        case TaintNodes(taint, present, nodes):
            return former_taints(objects, taint, present, nodes)
        case Patch(kind, namespace, name, "merge", body):
            return (Patch(kind, namespace, name, "merge", unmerge(find(objects, (kind, namespace, name)), body)),)
        case Patch(kind, namespace, name, _, body):
            return (Patch(kind, namespace, name, "json", unpatch(find(objects, (kind, namespace, name)), body)),)
        case Create(manifest):
            return (Delete(*key_of(manifest)),)
        case Delete(kind, namespace, name):
            return (Create(find(objects, (kind, namespace, name))),)
        case Restart():
            return ()


def find(objects: Objects, key: Key) -> dict[str, Any]:
    """The object. Raises InternalError where it is missing."""
    if key not in objects:
        raise InternalError(f"{' '.join(filter(None, key))} is to be changed but does not exist")
    return objects[key]


def with_label(node: dict[str, Any], key: str, value: str | None) -> dict[str, Any]:
    """The node with the label set, or without it."""
    labels = {name: old for name, old in node["metadata"]["labels"].items() if value is not None or name != key}
    if value is not None:
        labels[key] = value
    return {**node, "metadata": {**node["metadata"], "labels": labels}}


def with_taint(node: dict[str, Any], taint: Taint, present: bool) -> dict[str, Any]:
    """The node with the taint, or without the one of that key and effect."""
    place = (taint.key, taint.effect)
    taints = [old for old in node["spec"]["taints"] if (old["key"], old["effect"]) != place]
    if present:
        taints.append(raw_taint(taint))
    return {**node, "spec": {**node["spec"], "taints": taints}}


def former_labels(
    objects: Objects, key: str, value: str | None, nodes: tuple[str, ...]
) -> list[tuple[str | None, tuple[str, ...]]]:
    """The nodes that a Label changes, grouped by the value they had."""
    groups: dict[str | None, list[str]] = {}
    for name in nodes:
        old = find(objects, ("Node", "", name))["metadata"]["labels"].get(key)
        if old != value:
            groups.setdefault(old, []).append(name)
    return [(old, tuple(groups[old])) for old in sorted(groups, key=lambda old: (old is not None, old or ""))]


def former_taints(objects: Objects, taint: Taint, present: bool, nodes: tuple[str, ...]) -> tuple[TaintNodes, ...]:
    """What takes back a TaintNodes, grouped by the taint of that key and effect that the nodes had."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for name in nodes:
        taints = map(taint_of, find(objects, ("Node", "", name))["spec"]["taints"])
        old = [found for found in taints if (found.key, found.effect) == (taint.key, taint.effect)]
        if old != ([taint] if present else []):
            groups.setdefault((bool(old), old[0].value if old else taint.value), []).append(name)
    return tuple(
        TaintNodes(Taint(taint.key, taint.effect, value), had, tuple(groups[had, value]))
        for had, value in sorted(groups)
    )

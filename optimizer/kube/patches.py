"""Patches as JSON: merge patches (RFC 7386) and JSON patches (RFC 6902), what takes one back, and what one would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jsonpointer

from ..errors import InternalError

EMPTY: tuple[Any, ...] = (None, {}, [])
"""Values that the API server leaves out, so a field that holds one counts as absent."""

ABSENT = object()


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: maps merge by key, null removes, all else is replaced."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def unmerge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that takes back `patch`, where `target` is as it was before; an empty map counts as absent.

    It names the keys of `patch` alone, so that keys which somebody else has added meanwhile stay.

    >>> unmerge({"a": {"x": 1}}, {"a": {"x": 2, "y": 3}, "b": 4, "c": {"z": 5}})
    {'a': {'x': 1, 'y': None}, 'b': None, 'c': {'z': None}}
    """
    return {
        name: unmerge(target.get(name) or {}, value)
        if isinstance(value, Mapping) and isinstance(target.get(name) or {}, Mapping)
        else target.get(name)
        for name, value in patch.items()
    }


def json_patch(target: dict[str, Any], operations: Any) -> dict[str, Any]:
    """RFC 6902, with a test for null that an absent field passes too, as the API server has it. Raises InternalError
    for a failed test or a missing path."""
    import jsonpatch  # which little needs

    absent = object()
    wanted = [
        operation
        for operation in operations
        if not (
            operation["op"] == "test"
            and operation["value"] is None
            and jsonpointer.resolve_pointer(target, operation["path"], absent) is absent
        )
    ]
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(target, wanted)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        named = f"{target.get('kind')} {target['metadata']['name']}"
        raise InternalError(f"a patch of {named} does not fit: {error}") from None
    return patched


def unpatch(target: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The JSON patch that takes back add, replace and remove operations on paths apart from one another.

    >>> unpatch({"spec": {"a": 1}}, [{"op": "add", "path": "/spec/b", "value": 2}])
    [{'op': 'test', 'path': '/spec/b', 'value': 2}, {'op': 'remove', 'path': '/spec/b'}]
    """
    missing = object()
    undo: list[dict[str, Any]] = []
    for operation in operations:
        path = operation["path"]
        old = jsonpointer.resolve_pointer(target, path, missing)
        if operation["op"] == "test":
            continue
        if operation["op"] == "remove":
            undo.append({"op": "test", "path": path, "value": None})
            undo.append({"op": "add", "path": path, "value": old})
            continue
        undo.append({"op": "test", "path": path, "value": operation["value"]})
        undo.append({"op": "remove", "path": path} if old is missing else {"op": "replace", "path": path, "value": old})
    return undo


def set_field(path: str, old: Any, new: Any) -> list[dict[str, Any]]:
    """The JSON patch that puts `new` in the place of `old` as a whole, if `old` is still there.

    >>> set_field("/spec/nodeSelector", {"matchLabels": {"rack": "r1"}}, None)  # doctest: +NORMALIZE_WHITESPACE
    [{'op': 'test', 'path': '/spec/nodeSelector', 'value': {'matchLabels': {'rack': 'r1'}}},
     {'op': 'remove', 'path': '/spec/nodeSelector'}]
    """
    if old == new or (old in EMPTY and new in EMPTY):
        return []
    if old is None:
        # An absent field passes a test for null.
        return [{"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": new}]
    if old in EMPTY:
        return [{"op": "add", "path": path, "value": new}]
    test = {"op": "test", "path": path, "value": old}
    if new in EMPTY:
        return [test, {"op": "remove", "path": path}]
    return [test, {"op": "replace", "path": path, "value": new}]


def edit(path: str, old: Any, new: Any) -> list[dict[str, Any]]:
    """Like `set_field`, but maps are edited by key, so that other keys stay whatever they are by then.

    >>> edit("/nodeSelector", {"os": "linux", "a/b": "c"}, {"os": "linux"})
    [{'op': 'test', 'path': '/nodeSelector/a~1b', 'value': 'c'}, {'op': 'remove', 'path': '/nodeSelector/a~1b'}]
    """
    if old in EMPTY or new in EMPTY or not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return set_field(path, old, new)
    return [
        operation
        for name in sorted({*old, *new})
        for operation in edit(f"{path}/{jsonpointer.escape(name)}", old.get(name), new.get(name))
    ]


def label_operations(
    old: str | None, key: str, value: str | None, labels: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    """The JSON patch of one label; `labels` None says that the node has none at all."""
    if labels is None:
        return replace_operations("/metadata/labels", None, {key: value})
    return replace_operations(f"/metadata/labels/{jsonpointer.escape(key)}", old, value)


def replace_operations(path: str, old: Any, new: Any) -> list[dict[str, Any]]:
    """The JSON patch that puts `new` in the place of `old`, None for absent, under a test.

    >>> replace_operations("/a", None, "b")
    [{'op': 'test', 'path': '/a', 'value': None}, {'op': 'add', 'path': '/a', 'value': 'b'}]
    """
    test = {"op": "test", "path": path, "value": old}
    return [test, {"op": "remove", "path": path} if new is None else {"op": "add", "path": path, "value": new}]


def done(found: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an object is as the operations would leave it."""
    for operation in operations:
        now = jsonpointer.resolve_pointer(found, operation["path"], ABSENT)
        if operation["op"] != "test" and now != (ABSENT if operation["op"] == "remove" else operation["value"]):
            return False
    return True


def passes(found: dict[str, Any], operations: list[dict[str, Any]]) -> bool:
    """Whether the tests of the operations hold."""
    try:
        json_patch(found, operations)
    except InternalError:
        return False
    return True


def failed(found: Mapping[str, Any], operations: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """The fields whose test fails, each as its path of names."""
    paths = [
        operation["path"]
        for operation in operations
        if operation["op"] == "test"
        and jsonpointer.resolve_pointer(found, operation["path"], None) != operation["value"]
    ]
    return [list(map(str, jsonpointer.JsonPointer(path).parts)) for path in paths] or [["spec"]]

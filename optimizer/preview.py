"""What a plan would change, as the API server itself says without writing anything (dryRun=All)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonpatch
import jsonpointer
from msgspec import Struct

from .errors import ConflictError, LiveError, MissingError, RefusedError
from .evidence import Watch
from .live import Api, path_of
from .live_changes import replace_operations
from .manifests import Create, Delete, Key, Label, Objects, Patch, Restart, TaintNodes, clean, edit, find, key_of, make
from .move import Move
from .parallel import in_parallel

FIELDS = ("labels", "annotations")


class Edit(Struct, frozen=True):
    """One field of one object: `old` and `new` None where it is absent."""

    object: str
    field: str
    old: Any
    new: Any


class Refusal(Struct, frozen=True):
    """What the server would refuse, and why."""

    object: str
    why: str


class Preview(Struct, frozen=True):
    """The fields that change in the end, and on the way, object by object, and what would be refused."""

    edits: tuple[Edit, ...]
    refused: tuple[Refusal, ...]


def preview(api: Api, move: Move) -> Preview:
    """Ask the server for every change of the plan, each as if those before it had been made."""
    objects = dict(move.case.objects)
    asked: list[tuple[Key, list[dict[str, Any]]]] = []
    whole: list[Create | Delete] = []
    restarted: set[str] = set()
    for stage in move.stages:
        for change in (change for batch in stage.batches for change in batch):
            before = objects
            objects = dict(objects)
            make(objects, change)
            match change:
                case Label() | TaintNodes():
                    keys = [("Node", "", name) for name in change.nodes]
                case Patch(kind, namespace, name, _, _):
                    keys = [(kind, namespace, name)]
                case Create() | Delete():
                    whole.append(change)
                    keys = []
                case Restart(rounds):
                    restarted.update(name for names in rounds for name in names)
                    keys = []
            # The server knows the object as it is today, so what was changed before comes along.
            asked += [
                (key, since_today(move.case.objects, objects, key)) for key in keys if before[key] != objects[key]
            ]
    found: list[Edit | Refusal] = []
    for part in in_parallel(lambda each: ask(api, *each), [each for each in asked if each[1]]):
        found += part
    found += [each for change in whole for each in ask_whole(api, change)]
    if restarted:
        found += ask_restarts(api, move, restarted)
    distinct = dict.fromkeys(map(freeze, found))
    known = {freeze(each): each for each in found}
    ordered = [known[each] for each in distinct]
    return Preview(
        tuple(each for each in ordered if isinstance(each, Edit)),
        tuple(each for each in ordered if isinstance(each, Refusal)),
    )


def freeze(each: Edit | Refusal) -> str:
    """What tells findings apart."""
    return repr(each)


def since_today(today: Objects, now: Objects, key: Key) -> list[dict[str, Any]]:
    """The JSON patch from the object as it is to how it would be by then; empty where it is so again."""
    if key not in today:
        return []
    old, new = find(today, key), find(now, key)
    operations = []
    for field in FIELDS:
        operations += edit(f"/metadata/{field}", old["metadata"].get(field), new["metadata"].get(field))
    if key[0] == "Node":
        before, after = old["spec"]["taints"], new["spec"]["taints"]
        return operations + (
            replace_operations("/spec/taints", before or None, after or None) if before != after else []
        )
    return operations + edit("/spec", old["spec"], new["spec"])


def ask(api: Api, key: Key, operations: list[dict[str, Any]]) -> list[Edit | Refusal]:
    """What a patch would change."""
    path, what = path_of(*key), " ".join(filter(None, key))
    try:
        before = api.get(path)
        after = api.patch(path, operations, dry_run=True)
    except (MissingError, ConflictError, RefusedError) as error:
        return [Refusal(what, str(error))]
    return list(edits(what, clean(before), clean(after)))


def edits(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Edit]:
    """The fields that differ."""
    return [
        Edit(
            what,
            ".".join(jsonpointer.JsonPointer(each["path"]).parts),
            jsonpointer.resolve_pointer(before, each["path"], None),
            jsonpointer.resolve_pointer(after, each["path"], None),
        )
        for each in jsonpatch.make_patch(before, after)
        if each["op"] in ("add", "remove", "replace")
    ]


def ask_whole(api: Api, change: Create | Delete) -> list[Edit | Refusal]:
    """What creating or deleting an object would do."""
    key = key_of(change.manifest) if isinstance(change, Create) else (change.kind, change.namespace, change.name)
    what = " ".join(filter(None, key))
    try:
        if isinstance(change, Create):
            made = api.create(path_of(key[0], key[1]), clean(change.manifest), dry_run=True)
            return [Edit(what, "spec", None, made.get("spec"))]
        api.delete(path_of(*key), dry_run=True)
        return [Edit(what, "", "there", None)]
    except (MissingError, ConflictError, RefusedError) as error:
        return [Refusal(what, str(error))]


def ask_restarts(api: Api, move: Move, names: set[str]) -> list[Edit | Refusal]:
    """Whether the server would let the pods be deleted."""
    pods, _ = Watch(api, move.target, with_sessions=False).pods()
    found: list[Edit | Refusal] = []
    for name in sorted(names & pods.keys())[:1]:
        try:
            api.delete(path_of("Pod", move.target.namespace, pods[name].metadata.name), dry_run=True)
        except LiveError as error:
            found.append(Refusal(f"Pod {pods[name].metadata.name}", str(error)))
    return found

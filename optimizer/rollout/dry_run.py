"""What a plan would change, as the API server itself says without writing anything (dryRun=All)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonpatch
import jsonpointer
from msgspec import Struct

from ..errors import ConflictError, LiveError, MissingError, RefusedError
from ..kube.changes import Create, Delete, Key, Label, Patch, Restart, TaintNodes, clean, key_of, make
from ..kube.client import Api
from ..kube.kinds import POD, Kind, Ref
from ..kube.parallel import in_parallel
from ..kube.parse import taint_of
from ..kube.patches import edit, replace_operations
from ..speakers import kinds_of
from .live_plan import LivePlan
from .watch import Watch

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


def preview(api: Api, live: LivePlan) -> Preview:
    """Ask the server for every change of the plan, each as if those before it had been made."""
    today, objects = live.plan.objects, dict(live.plan.objects)
    kinds = kinds_of(live.plan.product)
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = []
    found: list[Edit | Refusal] = []
    restarted: set[str] = set()
    keys: list[Key]
    for change in (change for step in live.steps for change in step.changes):
        match change:
            case Create() | Delete():
                found += ask_whole(api, kinds, change)
                keys = []
            case Restart(rounds):
                restarted.update(name for names in rounds for name in names)
                keys = []
            case Patch(kind, namespace, name, _, _):
                keys = [(kind, namespace, name)]
            case Label(_, _, nodes) | TaintNodes(_, _, nodes):
                keys = [("Node", "", name) for name in nodes]
        make(objects, change)
        # The server knows the object as it is today, so what was changed before comes along; what is created now or
        # again as today needs no question.
        asked += [(today[key], objects[key]) for key in keys if key in today and objects[key] != today[key]]
    for part in in_parallel(lambda each: ask(api, kinds, *each), asked):
        found += part
    if restarted:
        found += ask_restarts(api, live, restarted)
    once = list({repr(each): each for each in found}.values())
    return Preview(
        tuple(each for each in once if isinstance(each, Edit)),
        tuple(each for each in once if isinstance(each, Refusal)),
    )


def ask(api: Api, kinds: Mapping[str, Kind], today: dict[str, Any], wanted: dict[str, Any]) -> list[Edit | Refusal]:
    """What it would change to patch an object from what it is today to what is wanted."""
    key = key_of(today)
    path, what = Ref(kinds[key[0]], *key[1:]), " ".join(filter(None, key))
    try:
        # Of nodes, which are many, labels and taints are known; of the others the server may set more.
        if key[0] == "Node" and today["spec"] == wanted["spec"]:
            answer = api.patch(path, metadata_operations(today, wanted), dry_run=True)
            return list(edits(what, {"metadata": {"labels": today["metadata"]["labels"]}}, labels_of(answer)))
        before = api.get(path)
        answer = api.patch(path, [*metadata_operations(today, wanted), *spec_operations(before, wanted)], dry_run=True)
    except (MissingError, ConflictError, RefusedError) as error:
        return [Refusal(what, str(error))]
    return list(edits(what, clean(before), clean(answer)))


def labels_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """The labels of a node, where they are."""
    return {"metadata": {"labels": node["metadata"].get("labels") or {}}}


def metadata_operations(today: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The patch of labels and annotations."""
    old, new = today["metadata"], wanted["metadata"]
    return [each for field in FIELDS for each in edit(f"/metadata/{field}", old.get(field), new.get(field))]


def spec_operations(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The patch of the spec as the server has it; of a node that of its taints, of which it knows more than we."""
    if before["kind"] != "Node":
        return edit("/spec", before["spec"], wanted["spec"])
    old, after = before["spec"].get("taints") or [], [taint_of(each) for each in wanted["spec"]["taints"]]
    kept, there = [each for each in old if taint_of(each) in after], [taint_of(each) for each in old]
    new = [*kept, *(each for each in wanted["spec"]["taints"] if taint_of(each) not in there)]
    return replace_operations("/spec/taints", old or None, new or None)


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


def ask_whole(api: Api, kinds: Mapping[str, Kind], change: Create | Delete) -> list[Edit | Refusal]:
    """What creating or deleting an object would do."""
    key = key_of(change.manifest) if isinstance(change, Create) else (change.kind, change.namespace, change.name)
    what = " ".join(filter(None, key))
    try:
        if isinstance(change, Create):
            made = api.create(Ref(kinds[key[0]], *key[1:]), clean(change.manifest), dry_run=True)
            return [Edit(what, "spec", None, made.get("spec"))]
        api.delete(Ref(kinds[key[0]], *key[1:]), dry_run=True)
        return [Edit(what, "", "there", None)]
    except (MissingError, ConflictError, RefusedError) as error:
        return [Refusal(what, str(error))]


def ask_restarts(api: Api, live: LivePlan, names: set[str]) -> list[Edit | Refusal]:
    """Whether the server would let the pods be deleted."""
    pods, _ = Watch(api, live.target, live.plan.product, with_sessions=False).pods()
    found: list[Edit | Refusal] = []
    for name in sorted(names & pods.keys())[:1]:
        try:
            api.delete(Ref(POD, live.target.namespace, pods[name].metadata.name), dry_run=True)
        except LiveError as error:
            found.append(Refusal(f"Pod {pods[name].metadata.name}", str(error)))
    return found

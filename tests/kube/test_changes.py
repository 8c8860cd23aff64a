from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import InternalError
from optimizer.kube.changes import Create, Delete, Label, Objects, Patch, TaintNodes, apply_changes, inverse
from optimizer.kube.patches import edit, json_patch, merge, set_field, unmerge, unpatch
from optimizer.model import Taint
from optimizer.plan.objects import objects_of
from tests.exports.export_inputs import KEY, OURS, VALUE, cluster, node, two_racks


def test_a_merge_patch_merges_by_key_and_null_removes() -> None:
    objects: Objects = {
        ("DaemonSet", "x", "d"): {"kind": "DaemonSet", "metadata": {}, "spec": {"a": {"x": 1, "y": 2}, "b": 3}}
    }
    change = Patch("DaemonSet", "x", "d", "merge", {"spec": {"a": {"x": None, "z": 1}, "c": [1]}})
    changed = apply_changes(objects, [change])
    assert changed["DaemonSet", "x", "d"]["spec"] == {"a": {"y": 2, "z": 1}, "b": 3, "c": [1]}
    assert apply_changes(changed, inverse(objects, change)) == objects


def test_a_json_patch_whose_test_fails_changes_nothing() -> None:
    objects = objects_of(two_racks())
    operations = [
        {"op": "test", "path": "/spec/nodeSelector", "value": {}},
        {"op": "remove", "path": "/spec/nodeSelector"},
    ]
    with pytest.raises(InternalError, match="leaf-1"):
        apply_changes(objects, [Patch("BgpPeer", "", "leaf-1", "json", operations)])


@pytest.mark.parametrize(
    "change",
    [
        Label(KEY, VALUE, ("nobody",)),
        TaintNodes(OURS, True, ("nobody",)),
        Patch("BgpPeer", "", "nobody", "merge", {}),
        Delete("BgpPeer", "", "nobody"),
        Create({"kind": "BgpPeer", "metadata": {"name": "leaf-1"}}),
    ],
)
def test_a_change_of_a_missing_object_is_an_error(change: Any) -> None:
    with pytest.raises(InternalError):
        apply_changes(objects_of(two_racks()), [change])


def test_the_inverse_restores_labels_and_taints_that_had_another_value() -> None:
    other = Taint(KEY, "NoSchedule", "other")
    nodes = [node("a", taints=[other]), node("b"), node("c", taints=[OURS])]
    objects = objects_of(cluster([*nodes[:2], replace(nodes[2], labels={KEY: "old"})]))
    for change in (
        Label(KEY, VALUE, ("a", "c")),
        TaintNodes(OURS, True, ("a", "b", "c")),
        TaintNodes(other, False, ("a",)),
    ):
        changed = apply_changes(objects, [change])
        assert changed != objects
        assert apply_changes(changed, inverse(objects, change)) == objects


def test_a_taint_takes_the_place_of_one_with_the_same_key_and_effect_only() -> None:
    taints = [Taint(KEY, "NoExecute", "x"), Taint(KEY, "NoSchedule", "x"), Taint("foreign", "NoSchedule")]
    changed = apply_changes(objects_of(cluster([node("a", taints=taints)])), [TaintNodes(OURS, True, ("a",))])
    assert changed["Node", "", "a"]["spec"]["taints"] == [
        {"key": KEY, "value": "x", "effect": "NoExecute"},
        {"key": "foreign", "effect": "NoSchedule"},
        {"key": KEY, "value": VALUE, "effect": "NoSchedule"},
    ]


def test_objects_come_without_status_and_what_the_server_sets() -> None:
    objects = objects_of(two_racks())
    assert "status" not in objects["BgpPeer", "", "leaf-1"]
    assert objects["BgpPeer", "", "leaf-1"]["metadata"] == {"name": "leaf-1"}
    assert objects["Node", "", "a1"]["spec"] == {"taints": []}


def test_an_edit_touches_no_other_key_and_replaces_lists_under_a_test() -> None:
    old, new = {"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"x": 1, "z": 3}, "b": [2]}
    assert edit("", old, new) == [
        {"op": "test", "path": "/a/y", "value": 2},
        {"op": "remove", "path": "/a/y"},
        {"op": "test", "path": "/a/z", "value": None},
        {"op": "add", "path": "/a/z", "value": 3},
        {"op": "test", "path": "/b", "value": [1]},
        {"op": "replace", "path": "/b", "value": [2]},
    ]


def test_an_empty_field_counts_as_absent_since_the_server_drops_it() -> None:
    assert set_field("/a", {}, None) == []
    assert set_field("/a", {}, {"x": 1}) == [{"op": "add", "path": "/a", "value": {"x": 1}}]


def test_the_way_back_tells_empty_from_absent() -> None:
    added = [{"op": "add", "path": "/a", "value": {"x": 1}}]
    assert unpatch({"a": {}}, added)[1] == {"op": "replace", "path": "/a", "value": {}}
    assert unpatch({}, added)[1] == {"op": "remove", "path": "/a"}


def test_the_way_back_from_a_merge_takes_our_key_alone() -> None:
    # A map that was absent stays, maybe with a key that somebody else has added meanwhile; empty, it counts as absent.
    assert unmerge({}, {"a": {"x": 1}}) == {"a": {"x": None}}
    assert merge({"a": {"x": 1, "foreign": 2}}, unmerge({}, {"a": {"x": 1}})) == {"a": {"foreign": 2}}


def test_a_field_that_somebody_has_added_meanwhile_is_not_overwritten() -> None:
    operations = set_field("/spec/tolerations", None, [{"key": "ours"}])
    assert json_patch({"spec": {}}, operations) == {"spec": {"tolerations": [{"key": "ours"}]}}
    with pytest.raises(InternalError, match="does not fit"):
        json_patch({"kind": "X", "metadata": {"name": "x"}, "spec": {"tolerations": [{"key": "theirs"}]}}, operations)

"""One change on an API server: made under a test, found made already, refused where it is somebody else's by now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.errors import ConflictError, ForeignError, InternalError, LiveError, MissingError, RefusedError
from optimizer.kube.changes import Change, Create, Delete, Label, Patch, Restart, TaintNodes
from optimizer.kube.client import Api, connect
from optimizer.model import Taint
from optimizer.rollout.writer import TRIES, Writer
from optimizer.speakers import product_named
from optimizer.speakers.openelb.kinds import PARKED_ADDRESS
from optimizer.speakers.openelb.peers import CREATED
from tests.live_server import Answer, failure, kubeconfig, serving
from tests.objects import SPEAKER, SYSTEM, Object, daemonset, node, peer
from tests.rollout.store import Store

KEY, VALUE = "bgp-speakers/speaker", "true"
TAINT = Taint(KEY, "NoSchedule", VALUE)
RAW = {"key": KEY, "value": VALUE, "effect": "NoSchedule"}
RACK, OTHER = {"matchLabels": {"rack": "r1"}}, {"matchLabels": {"rack": "r2"}}


@pytest.fixture
def store() -> Iterator[Store]:
    made = [node("n1", {KEY: VALUE}), node("n2"), node("n3", {KEY: "theirs", "rack": "r1"})]
    with serving(Store(*made, daemonset(), peer("leaf", "10.0.0.1", RACK))) as found:
        yield found  # type: ignore[misc]


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[Api]:
    found = connect(kubeconfig(tmp_path, store.address))
    found.patience = 0
    yield found
    found.close()


def make(api: Api, change: Change, labels: Mapping[str, str | None] | None = None, back: bool = False) -> int:
    """Make a change; `labels` are those that were read."""
    return Writer(api, product_named(""), (KEY, VALUE), labels or {}, back).make(change)


def label_of(store: Store, name: str) -> str | None:
    found: dict[str, str] = store.find("Node", name)["metadata"].get("labels") or {}
    return found.get(KEY)


def set_label(store: Store, name: str, key: str, value: str) -> None:
    store.find("Node", name)["metadata"].setdefault("labels", {})[key] = value


# Labels.


def test_labels_are_set_replaced_and_removed(store: Store, api: Api) -> None:
    read = {"n1": VALUE, "n2": None, "n3": "theirs"}
    assert make(api, Label(KEY, VALUE, ("n1", "n2", "n3")), read) == 2
    assert [label_of(store, name) for name in ("n1", "n2", "n3")] == [VALUE, VALUE, VALUE]
    assert store.find("Node", "n3")["metadata"]["labels"]["rack"] == "r1"
    assert make(api, Label(KEY, None, ("n1", "n2")), {"n1": VALUE, "n2": VALUE}) == 2
    assert [label_of(store, name) for name in ("n1", "n2")] == [None, None]


def test_a_label_that_is_so_already_is_not_sent(store: Store, api: Api) -> None:
    assert make(api, Label(KEY, VALUE, ("n1",)), {"n1": VALUE}) == 0
    assert store.requests == []
    # What was read is old: it has been set since.
    assert make(api, Label(KEY, VALUE, ("n1",)), {"n1": None}) == 0
    assert label_of(store, "n1") == VALUE


def test_a_node_without_any_label(store: Store, api: Api) -> None:
    del store.find("Node", "n2")["metadata"]["labels"]
    assert make(api, Label(KEY, VALUE, ("n2",)), {"n2": None}) == 1
    assert store.find("Node", "n2")["metadata"]["labels"] == {KEY: VALUE}


def test_a_label_that_somebody_else_has_changed_is_left(store: Store, api: Api) -> None:
    fields: Object = {"f:metadata": {"f:labels": {f"f:{KEY}": {}}}}
    store.find("Node", "n3")["metadata"]["managedFields"] = [
        {"manager": "them", "time": "2026-05-01T10:00:00Z", "fieldsV1": fields},
        {"manager": "kubelet", "time": "2026-05-02T10:00:00Z", "fieldsV1": {"f:status": {}}},
    ]
    with pytest.raises(ForeignError) as caught:
        make(api, Label(KEY, VALUE, ("n3",)), {"n3": None})
    assert str(caught.value) == f"node n3: the label {KEY} is 'theirs' by now, set by them; left unchanged"
    assert (caught.value.kind, label_of(store, "n3")) == ("Node", "theirs")
    assert make(api, Label(KEY, None, ("n2",)), {"n2": VALUE}) == 0
    with pytest.raises(ForeignError, match=f"node n2: the label {KEY} was removed meanwhile; left unchanged"):
        make(api, Label(KEY, "other", ("n2",)), {"n2": VALUE})


def test_on_the_way_back_only_our_label_is_replaced(store: Store, api: Api) -> None:
    assert make(api, Label(KEY, None, ("n1",)), {"n1": VALUE}, back=True) == 1
    assert make(api, Label(KEY, "old", ("n2",)), {"n2": None}, back=True) == 1
    with pytest.raises(ForeignError, match="n3"):
        make(api, Label(KEY, None, ("n3",)), {"n3": "theirs"}, back=True)
    assert label_of(store, "n3") == "theirs"


def test_a_node_that_is_gone_needs_no_removal_and_nothing_on_the_way_back(store: Store, api: Api) -> None:
    assert make(api, Label(KEY, None, ("gone",)), {"gone": VALUE}) == 0
    assert make(api, Label(KEY, VALUE, ("gone",)), {"gone": None}, back=True) == 0
    with pytest.raises(MissingError, match="cannot patch Node gone"):
        make(api, Label(KEY, VALUE, ("gone",)), {"gone": None})
    # It goes while its label is looked at.
    store.meanwhile.append(lambda: store.objects.remove(store.find("Node", "n2")))
    assert make(api, Label(KEY, None, ("n2",)), {"n2": VALUE}) == 0


def test_a_conflict_is_tried_again(store: Store, api: Api) -> None:
    store.ordered.append(failure(409, "the object has been modified"))
    assert make(api, Label(KEY, VALUE, ("n2",)), {"n2": None}) == 1
    store.ordered.extend(each for _ in range(TRIES) for each in (failure(409, "modified"), None))
    with pytest.raises(ConflictError, match=f"node n1: its label {KEY} cannot be set, the node is changed all the"):
        make(api, Label(KEY, None, ("n1",)), {"n1": VALUE})


def test_what_is_not_allowed_is_not_tried_again(store: Store, api: Api) -> None:
    for change in (
        Label(KEY, VALUE, ("n2",)),
        Patch("BgpPeer", "", "leaf", "json", selector(RACK, OTHER)),
        Create(peer("new", "10.0.0.2")),
    ):
        store.ordered.append(failure(403, "forbidden"))
        before = len(store.requests)
        with pytest.raises(RefusedError, match=r"\(403\); a role that allows"):
            make(api, change, {"n2": None})
        assert len(store.requests) == before + 1


@pytest.mark.parametrize("back", [False, True])
def test_nodes_that_somebody_else_has_changed_keep_no_other_from_being_changed(
    store: Store, api: Api, back: bool
) -> None:
    set_label(store, "n1", KEY, "theirs")
    with pytest.raises(ForeignError) as caught:
        make(api, Label(KEY, None, ("n1", "n2", "n3")), dict.fromkeys(("n1", "n2", "n3"), VALUE), back)
    # What was read of n2 is old, and so nothing is left to do there.
    sentence = f"node n1: the label {KEY} is 'theirs' by now; left unchanged"
    assert (str(caught.value), caught.value.kind) == (f"{sentence} (and 1 more node)", "Node")
    set_label(store, "n2", KEY, VALUE)
    store.objects.append(node("n4", {KEY: VALUE}))
    with pytest.raises(ForeignError) as caught:
        make(api, Label(KEY, None, ("n1", "n2", "n4")), dict.fromkeys(("n1", "n2", "n4"), VALUE), back)
    assert str(caught.value) == sentence
    assert [label_of(store, f"n{number}") for number in range(1, 5)] == ["theirs", None, "theirs", None]


def test_an_error_of_the_server_goes_before_what_somebody_else_has_changed(api: Api) -> None:
    with pytest.raises(MissingError, match="cannot patch Node gone"):
        make(api, Label(KEY, VALUE, ("n3", "gone")), {"n3": None, "gone": None})


# Taints.


def taints(store: Store, name: str) -> Any:
    return store.find("Node", name)["spec"].get("taints")


def test_taints_are_set_and_taken_away_beside_others(store: Store, api: Api) -> None:
    other = {"key": "gpu", "effect": "NoSchedule"}
    store.find("Node", "n1")["spec"]["taints"] = [other]
    change = TaintNodes(TAINT, True, ("n1", "n2"))
    assert make(api, change) == 2
    assert (taints(store, "n1"), taints(store, "n2")) == ([other, RAW], [RAW])
    assert make(api, change) == 0
    assert make(api, TaintNodes(TAINT, False, ("n1", "n2", "n3"))) == 2
    assert (taints(store, "n1"), taints(store, "n2")) == ([other], None)


def test_a_taint_of_somebody_else_is_left(store: Store, api: Api) -> None:
    store.find("Node", "n1")["spec"]["taints"] = [RAW | {"value": "theirs"}]
    for present in (True, False):
        with pytest.raises(ForeignError, match=f"node n1: the taint {KEY} is 'theirs' by now; left unchanged"):
            make(api, TaintNodes(TAINT, present, ("n1",)))
    assert taints(store, "n1") == [RAW | {"value": "theirs"}]


@pytest.mark.parametrize("back", [False, True])
def test_taints_of_somebody_else_keep_no_other_from_being_set(store: Store, api: Api, back: bool) -> None:
    for name in ("n1", "n3"):
        store.find("Node", name)["spec"]["taints"] = [RAW | {"value": "theirs"}]
    with pytest.raises(ForeignError) as caught:
        make(api, TaintNodes(TAINT, True, ("n1", "n2", "n3")), back=back)
    sentence = f"node n1: the taint {KEY} is 'theirs' by now; left unchanged (and 1 more node)"
    assert (str(caught.value), caught.value.kind) == (sentence, "Node")
    assert [taints(store, name) for name in ("n1", "n2", "n3")] == [
        *([RAW | {"value": "theirs"}], [RAW], [RAW | {"value": "theirs"}])
    ]


def test_a_taint_that_comes_meanwhile_stays(store: Store, api: Api) -> None:
    other = {"key": "late", "effect": "NoExecute"}
    store.meanwhile.append(lambda: store.find("Node", "n1")["spec"].update(taints=[other]))
    assert make(api, TaintNodes(TAINT, True, ("n1",))) == 1
    assert taints(store, "n1") == [other, RAW]


def test_taints_of_nodes_that_are_gone(api: Api) -> None:
    assert make(api, TaintNodes(TAINT, False, ("gone",))) == 0
    assert make(api, TaintNodes(TAINT, True, ("gone",)), back=True) == 0
    with pytest.raises(MissingError):
        make(api, TaintNodes(TAINT, True, ("gone",)))


# Objects as a whole.


def selector(old: Object, new: Object) -> list[Object]:
    return [
        {"op": "test", "path": "/spec/nodeSelector", "value": old},
        {"op": "replace", "path": "/spec/nodeSelector", "value": new},
    ]


PATCH = Patch("BgpPeer", "", "leaf", "json", selector(RACK, OTHER))


@pytest.mark.parametrize("back", [False, True])
def test_a_patch_is_made_once(store: Store, api: Api, back: bool) -> None:
    assert make(api, PATCH, back=back) == 1
    assert store.find("BgpPeer", "leaf")["spec"]["nodeSelector"] == OTHER
    assert make(api, PATCH, back=back) == 0
    template: list[Object] = [{"op": "test", "path": "/spec/minReadySeconds", "value": None}]
    template += [{"op": "add", "path": "/spec/minReadySeconds", "value": 5}]
    change = Patch("DaemonSet", SYSTEM, SPEAKER, "json", template)
    assert (make(api, change, back=back), make(api, change, back=back)) == (1, 0)


@pytest.mark.parametrize("back", [False, True])
def test_a_patch_of_what_somebody_else_has_changed_is_not_made(store: Store, api: Api, back: bool) -> None:
    leaf = store.find("BgpPeer", "leaf")
    leaf["spec"]["nodeSelector"] = {}
    fields: Object = {"f:spec": {"f:nodeSelector": {}, "f:conf": {}}}
    # The later time of our own entry may be that of another field.
    leaf["metadata"]["managedFields"] = [
        {"manager": "bgp-speakers", "time": "2026-05-02T10:00:00Z", "fieldsV1": fields},
        {"manager": "them", "time": "2026-05-01T10:00:00Z", "fieldsV1": {"f:spec": {"f:nodeSelector": {}}}},
    ]
    with pytest.raises(ForeignError) as caught:
        make(api, PATCH, back=back)
    assert str(caught.value) == (
        "BgpPeer leaf: spec.nodeSelector is not what it was when the plan was made, set by them; left unchanged"
    )
    assert leaf["spec"]["nodeSelector"] == {}


def test_a_patch_that_meets_a_conflict_is_tried_again_and_one_that_is_refused_is_not(store: Store, api: Api) -> None:
    store.ordered.extend([failure(409, "modified"), None, None])
    assert make(api, PATCH) == 1
    store.find("BgpPeer", "leaf")["spec"]["nodeSelector"] = RACK
    store.ordered.extend([failure(422, "spec.nodeSelector: Invalid value"), None])
    with pytest.raises(RefusedError, match="Invalid value"):
        make(api, PATCH)
    store.ordered.extend([each for _ in range(TRIES) for each in (failure(409, "modified"), None)])
    with pytest.raises(ConflictError):
        make(api, PATCH)


def test_a_patch_of_what_is_gone(store: Store, api: Api) -> None:
    store.objects.clear()
    assert make(api, PATCH, back=True) == 0
    with pytest.raises(MissingError, match="cannot patch BgpPeer leaf"):
        make(api, PATCH)


def test_what_a_later_change_of_the_way_back_has_done_needs_no_earlier_one(store: Store, api: Api) -> None:
    writer = Writer(api, product_named(""), (KEY, VALUE), {}, back=True)
    first, last = (
        Patch("BgpPeer", "", "leaf", "json", selector(OTHER, {})),
        Patch("BgpPeer", "", "leaf", "json", selector({}, RACK)),
    )
    with pytest.raises(ForeignError):
        writer.make(first)
    assert (writer.make(first, [last]), writer.make(last)) == (0, 0)
    assert writer.make(Create(peer("leaf", "10.0.0.1", OTHER)), [last]) == 0
    store.find("BgpPeer", "leaf")["spec"]["nodeSelector"] = OTHER
    assert (writer.make(first, [last]), writer.make(last)) == (1, 1)
    # A later change of another field says nothing.
    other = Patch("BgpPeer", "", "leaf", "json", [{"op": "remove", "path": "/spec/other"}])
    with pytest.raises(ForeignError):
        writer.make(first, [other])


def test_an_object_is_created_once(store: Store, api: Api) -> None:
    new = peer("new", "10.0.0.2", OTHER) | {"status": {"nodesPeerStatus": {}}}
    new["metadata"] |= {"resourceVersion": "7", "uid": "1"}
    assert (make(api, Create(new)), make(api, Create(new))) == (1, 0)
    assert store.find("BgpPeer", "new")["metadata"] == {"name": "new"}
    assert "status" not in store.find("BgpPeer", "new")
    with pytest.raises(ForeignError, match="BgpPeer new exists by now, with another spec; left unchanged"):
        make(api, Create(peer("new", "10.0.0.3")))


def test_only_what_is_ours_is_deleted(store: Store, api: Api) -> None:
    change = Delete("BgpPeer", "", "leaf")
    with pytest.raises(ForeignError, match="BgpPeer leaf is not as this plan leaves it by now; it is not deleted"):
        make(api, change)
    leaf = store.find("BgpPeer", "leaf")
    leaf["metadata"] |= {"uid": "1"}
    leaf["spec"]["conf"]["neighborAddress"] = PARKED_ADDRESS
    # It is another one by then.
    store.meanwhile.append(lambda: leaf["metadata"].update(uid="2"))
    with pytest.raises(ConflictError):
        make(api, change)
    assert make(api, change) == 1
    assert make(api, change) == 0
    made = peer("made", "10.0.0.2")
    made["metadata"] |= {"labels": dict(CREATED), "uid": "3"}
    store.objects.append(made)
    assert make(api, Delete("BgpPeer", "", "made")) == 1


def test_a_lost_answer_does_not_make_a_change_twice(store: Store, api: Api) -> None:
    api.patience = 20
    # The server has made the change, and its answer is lost.
    for change, undo in (
        (PATCH, lambda: store.find("BgpPeer", "leaf")["spec"].update(nodeSelector=OTHER)),
        (Create(peer("new", "10.0.0.2")), lambda: store.objects.append(peer("new", "10.0.0.2"))),
        (Label(KEY, VALUE, ("n2",)), lambda: set_label(store, "n2", KEY, VALUE)),
    ):
        store.meanwhile.append(undo)
        store.ordered.append(Answer(None))
        assert make(api, change, {"n2": None}) == 0
    assert json.dumps(store.objects).count('"new"') == 1


def test_a_restart_is_no_change_of_an_object(api: Api) -> None:
    with pytest.raises(InternalError):
        make(api, Restart((("n1",),)))


def test_a_server_that_fails_is_told(store: Store, api: Api) -> None:
    store.ordered.append(failure(500, "etcd"))
    with pytest.raises(LiveError, match=r"etcd \(500\)"):
        make(api, PATCH)

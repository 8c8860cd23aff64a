"""What is done to an object meanwhile: one that is being deleted is waited for, one that is let go is not edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optimizer.errors import ConflictError, ForeignError
from optimizer.kube.changes import Create, Patch
from optimizer.kube.client import Api, connect
from optimizer.rollout import writer as live_changes
from tests.live_server import failure, kubeconfig, serving
from tests.objects import SPEAKER, SYSTEM, Object, daemonset, peer
from tests.rollout.store import Store
from tests.rollout.test_writer import RACK, make


@pytest.fixture
def store() -> Iterator[Store]:
    with serving(Store(daemonset(), peer("leaf", "10.0.0.1", RACK))) as found:
        yield found  # type: ignore[misc]


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[Api]:
    found = connect(kubeconfig(tmp_path, store.address))
    found.patience = 0
    yield found
    found.close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens while an object that is being deleted is waited for, nap by nap; the last one time and again."""
    made: list[Callable[[], object]] = []

    def nap(_seconds: float) -> None:
        (made.pop(0) if len(made) > 1 else made[0])()

    monkeypatch.setattr("optimizer.rollout.writer.time.sleep", nap)
    return made


def leaving(store: Store, spec: Object | None = None) -> Object:
    """The BgpPeer, which is being deleted from now on."""
    leaf = store.find("BgpPeer", "leaf")
    leaf["metadata"]["deletionTimestamp"] = "2026-05-01T10:00:00Z"
    leaf["spec"] = spec or leaf["spec"]
    return leaf


@pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.9"])
@pytest.mark.parametrize("back", [False, True])
def test_creating_waits_for_the_one_that_is_being_deleted_to_go(
    store: Store, api: Api, naps: list[Callable[[], object]], address: str, back: bool
) -> None:
    old, new = leaving(store), peer("leaf", address, RACK)
    naps[:] = [lambda: None, lambda: None, lambda: store.objects.remove(old), lambda: pytest.fail("waits on")]
    assert make(api, Create(new), back=back) == 1
    assert store.find("BgpPeer", "leaf") == new
    assert store.changes() == ["POST"] * 4


def test_one_that_goes_between_two_requests_is_created_at_once(
    store: Store, api: Api, naps: list[Callable[[], object]]
) -> None:
    naps[:] = [lambda: pytest.fail("waits")]
    new = peer("new", "10.0.0.2")
    store.ordered.extend([failure(409, "already exists"), None])
    assert make(api, Create(new)) == 1
    assert store.changes() == ["POST", "POST"]


def test_one_that_comes_back_with_another_spec_is_somebody_else_s(
    store: Store, api: Api, naps: list[Callable[[], object]]
) -> None:
    old = leaving(store)

    def replaced() -> None:
        store.objects.remove(old)
        store.objects.append(peer("leaf", "10.0.0.7"))

    naps[:] = [replaced, lambda: pytest.fail("waits on")]
    with pytest.raises(ForeignError, match="BgpPeer leaf exists by now, with another spec; left unchanged"):
        make(api, Create(peer("leaf", "10.0.0.1", RACK)))
    assert store.find("BgpPeer", "leaf")["spec"]["conf"]["neighborAddress"] == "10.0.0.7"


def test_one_that_stays_although_it_is_being_deleted_is_told(
    store: Store, api: Api, naps: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_changes, "LEAVING", 3)
    leaving(store)
    naps[:] = [lambda: None]
    with pytest.raises(ConflictError, match=r"BgpPeer leaf cannot be created: the old one is being deleted, but stays"):
        make(api, Create(peer("leaf", "10.0.0.1", RACK)))
    assert store.changes() == ["POST"] * 3


STRATEGY, SELECTOR = "spec.updateStrategy.type", "spec.template.spec.nodeSelector"
HELD = [
    {"op": "test", "path": "/spec/updateStrategy/type", "value": "OnDelete"},
    {"op": "test", "path": "/spec/template/spec/nodeSelector", "value": None},
    {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"a": "b"}},
]


@pytest.mark.parametrize(
    ("strategy", "selector", "named", "whom"),
    [
        ("RollingUpdate", None, STRATEGY, "us"),
        ("OnDelete", {"x": "y"}, SELECTOR, "them"),
        ("RollingUpdate", {"x": "y"}, f"{STRATEGY}, {SELECTOR}", "us"),
    ],
)
@pytest.mark.parametrize("back", [False, True])
def test_the_template_is_edited_only_while_held_and_what_is_in_the_way_is_named(
    store: Store, api: Api, strategy: str, selector: Object | None, named: str, whom: str, back: bool
) -> None:
    speaker, change = store.find("DaemonSet", SPEAKER), Patch("DaemonSet", SYSTEM, SPEAKER, "json", HELD)
    template = speaker["spec"]["template"]["spec"]
    speaker["spec"]["updateStrategy"] = {"type": strategy}
    if selector:
        template["nodeSelector"] = selector
    selected: Object = {"f:template": {"f:spec": {"f:nodeSelector": {}}}}
    speaker["metadata"]["managedFields"] = [
        {"manager": "us", "fieldsV1": {"f:spec": {"f:updateStrategy": {"f:type": {}}}}},
        {"manager": "them", "fieldsV1": {"f:spec": selected}},
    ]
    with pytest.raises(ForeignError) as caught:
        make(api, change, back=back)
    assert caught.value.kind == "DaemonSet"
    assert str(caught.value) == (
        f"DaemonSet {SPEAKER}: {named} is not what it was when the plan was made, set by {whom}; left unchanged"
    )
    assert template.get("nodeSelector") == selector
    template.pop("nodeSelector", None)
    speaker["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert make(api, change, back=back) == 1
    assert store.find("DaemonSet", SPEAKER)["spec"]["template"]["spec"]["nodeSelector"] == {"a": "b"}
    # Once it is made it needs no test any more.
    speaker["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    assert make(api, change, back=back) == 0

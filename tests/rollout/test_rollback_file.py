"""The rollback file: what is written is read again, what is none is refused, and it is there whole or not at all."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from optimizer.errors import InputError, OutputError
from optimizer.kube.changes import Create, Delete, Label, Patch, Restart, TaintNodes
from optimizer.plan.steps import Step
from optimizer.rollout.rollback_file import (
    Rollback,
    WayBack,
    chained,
    fingerprint,
    read_rollback,
    way_back,
    write_rollback,
)
from tests.exports.export_inputs import KEY, OURS, VALUE, placed

CHANGES = (
    Label(KEY, VALUE, ("n1", "n2")),
    Label(KEY, None, ("n3",)),
    TaintNodes(OURS, True, ("n1",)),
    TaintNodes(replace(OURS, value=""), False, ("n1", "n2")),
    Patch("DaemonSet", "ns", "speaker", "json", [{"op": "test", "path": "/spec/a", "value": None}]),
    Patch(
        "BgpPeer",
        "",
        "leaf",
        "json",
        [
            {"op": "test", "path": "/spec/nodeSelector", "value": {}},
            {"op": "replace", "path": "/spec/nodeSelector", "value": {"matchLabels": {"a/b": "c"}}},
            {"op": "remove", "path": "/metadata/annotations/a~1b"},
            {"op": "add", "path": "/spec/x", "value": [1, None, True]},
        ],
    ),
    Create({"kind": "BgpPeer", "metadata": {"name": "é"}, "spec": {"conf": {"peerAs": 4_200_000_000}}}),
    Delete("BgpPeer", "", "leaf"),
    Restart((("n1", "n2"), ("n3",))),
)
STEPS = (
    Step("open-peers", "take back: it", (CHANGES,), needs="established"),
    Step("hold-restarts", "", (CHANGES[:1],), settled=True),
)
WAY = WayBack(STEPS, ("n1",), {"leaf": ("n1",), "two": ("n1", "n2")}, {"leaf": 2}, {"leaf": 3})
SAVED = Rollback("ns", "speaker", "uid", (KEY, VALUE), "bgp", "abc", (WAY, WayBack((), (), {})), "openelb")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "down" / "it.rollback.json"
    write_rollback(file, SAVED)
    assert read_rollback(file) == SAVED
    data = json.loads(file.read_text())
    assert (data["apiVersion"], data["kind"]) == ("bgp-speakers/v1", "Rollback")
    assert [each["change"] for each in data["legs"][0]["steps"][0]["batches"][0]] == [
        type(each).__name__ for each in CHANGES
    ]
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_where_there_is_none(tmp_path: Path) -> None:
    assert read_rollback(tmp_path / "none.json") is None


def patching(*operations: Any, **fields: Any) -> bytes:
    """The file whose only change is a patch; `fields` are those in which it differs from one of ours."""
    made = {"change": "Patch", "kind": "BgpPeer", "namespace": "", "name": "leaf", "type": "json"}
    change = made | {"body": list(operations)} | fields
    legs = [{"steps": [{"slug": "a", "why": "b", "changes": [change]}], "speakers": [], "sessions": {}}]
    return changed(lambda data: data.update(legs=legs))


def of_today(content: bytes) -> bytes:
    """A file of the first version as it is written today, as far as it can be read."""
    data = json.loads(content)
    for leg in data["legs"]:
        for step in leg["steps"]:
            step |= {"name": step.pop("slug"), "batches": [step.pop("changes")]}
    return json.dumps(data | {"product": "openelb"}).encode()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with a change."""
    data = json.loads(json.dumps(BASE))
    change(data)
    return json.dumps(data).encode()


BASE: dict[str, Any] = {
    "namespace": "ns",
    "daemonset": "speaker",
    "uid": "1",
    "label": ["a", "b"],
    "mode": "bgp",
    "placement": "abc",
    "legs": [],
    "apiVersion": "bgp-speakers/v1",
    "kind": "Rollback",
}


ODD: tuple[Any, ...] = (None, "abc", 3, [{}], [None], [{"op": "remove", "path": 3}], {"spec": None}, {"spec": 3})
"""Bodies of patches that are none."""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"apiVersion": "bgp-speakers/v1", "kind": "Placement"}',
        b"[" * 100_000,
        changed(lambda data: data.pop("uid")),
        changed(lambda data: data.update(apiVersion="bgp-speakers/v2")),
        changed(lambda data: data.update(label=["a"])),
        changed(lambda data: data.update(legs=[{"steps": [{"slug": "a", "why": "b", "changes": [{}]}]}])),
        changed(
            lambda data: data.update(
                legs=[{"steps": [{"slug": "", "why": "", "changes": [{"change": "Wreck"}]}], "speakers": []}]
            )
        ),
        changed(lambda data: data.update(legs=[{"steps": [], "speakers": [], "sessions": [["n1", "leaf"]]}])),
        changed(lambda data: data.update(legs=[{"steps": [], "speakers": [], "sessions": {"leaf": "n1"}}])),
        patching(type="merge", body={"spec": {"nodeSelector": None}}),
        *(patching(body=body) for body in (None, "no", 5, {}, {"op": "remove", "path": "/spec/a"})),
        *map(patching, (None, "remove", [], {}, {"op": "remove"}, {"path": "/spec/a"})),
        *(patching({"op": op, "path": "/a", "from": "/b", "value": 1}) for op in ("move", "copy", "", "Add", None)),
        *(patching({"op": "remove", "path": path}) for path in ("", "spec/a", " /spec", 5, None, ["spec"])),
        # The first is as it is to be.
        patching({"op": "remove", "path": "/spec/a"}, {"op": "remove", "path": "spec"}),
        *(patching({"op": "remove", "path": "/spec/a"}, kind=kind) for kind in ("Node", "Secret", "BgpConf")),
        *(patching(kind=kind) for kind in ("Node", "Secret", "", "Bgp\nPeer\x1b[31m")),
        *(patching(kind="BgpPeer", namespace=namespace) for namespace in ("ns", "default")),
        patching(kind="DaemonSet", namespace="ns", name="other"),
        patching(kind="DaemonSet", namespace="", name="speaker"),
        patching(kind="DaemonSet", namespace="default", name="speaker"),
        *(
            patching(kind="DaemonSet", namespace="ns", name="speaker", type=type_, body=body)
            for type_ in ("json", "merge")
            for body in ODD
        ),
    ],
)
def test_what_is_no_rollback_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_rollback(file)
    sentence = str(caught.value)
    assert sentence.startswith(f"{file}: not a rollback file of version bgp-speakers/v1 (")
    assert sentence.isprintable()


@pytest.mark.parametrize(
    "content",
    [
        patching(type="merge", body={"spec": {"nodeSelector": None}}),
        patching({"op": "remove", "path": "spec"}),
        patching({"op": "move", "path": "/a", "from": "/b"}),
        patching(kind="Node"),
        patching(kind="BgpPeer", namespace="ns"),
        patching(kind="DaemonSet", namespace="ns", name="other"),
    ],
)
def test_a_changed_file_of_today_is_refused_too(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.json"
    for data in (of_today(content), of_today(content).replace(b'"batches"', b'"undo"').replace(b"[[", b"[")):
        file.write_bytes(data)
        with pytest.raises(InputError, match="not a rollback file of version bgp-speakers/v1"):
            read_rollback(file)


def test_a_product_that_is_not_known_is_named(tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    write_rollback(file, replace(SAVED, product="other"))
    with pytest.raises(InputError, match="its product 'other' is not known"):
        read_rollback(file)


def test_a_file_of_the_first_version_is_read() -> None:
    found = read_rollback(Path(__file__).parent / "data" / "first-version.rollback.json")
    assert found is not None
    assert (found.product, found.daemonset, len(found.ways)) == ("", "openelb-speaker", 2)
    first, second = found.ways
    assert [(each.name, each.needs, each.settled) for each in first.steps] == [
        # The second plan, which is taken back first, ends with an edit of the template.
        ("resume-restarts", "", True),
        ("taint-nodes", "", False),
        ("close-peers", "", False),
        ("unlabel-nodes", "", False),
        ("daemonset", "", False),
        ("hold-restarts", "established", True),
        ("label-speakers", "", False),
        ("open-peers", "", False),
    ]
    assert [each.name for each in second.steps] == ["daemonset"]
    template = first.steps[4]
    assert [type(change) for change in template.changes] == [Patch, Restart]
    assert {type(change) for step in first.steps for change in step.changes} == {
        *(Label, Patch, Create, Delete, Restart, TaintNodes)
    }


def test_the_plain_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "good.json"
    file.write_text(json.dumps(BASE))
    assert read_rollback(file) == Rollback("ns", "speaker", "1", ("a", "b"), "bgp", "abc", (), "")


def test_patches_of_the_daemonset_and_of_bgppeers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "good.json"
    operation = {"op": "add", "path": "/spec/a", "value": None}
    for place in (("BgpPeer", "", "any"), ("DaemonSet", "ns", "speaker")):
        file.write_bytes(patching(operation, kind=place[0], namespace=place[1], name=place[2]))
        found = read_rollback(file)
        assert found is not None
        assert found.ways[0].steps[0].changes == (Patch(*place, "json", [operation]),)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_rollback(tmp_path)
    with pytest.raises(OutputError, match=r"cannot be written \(Is a directory\)"):
        write_rollback(tmp_path, SAVED)
    assert list(tmp_path.iterdir()) == []
    assert [each.name for each in tmp_path.parent.iterdir() if each.name.startswith(f".{tmp_path.name}")] == []


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_rollback(tmp_path / "file" / "it.json", SAVED)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    write_rollback(file, SAVED)
    before = file.read_bytes()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be written \(File too large\)"):
            write_rollback(file, replace(SAVED, ways=()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_the_way_back_is_the_steps_in_reverse() -> None:
    def step(name: str, *undo: Any, settled: bool = False) -> Step:
        back = f"take {name} back"
        return Step(name, f"do {name}", (), undo, needs_back="running", settled=settled, why_back=back)

    way = way_back(
        [step("a", CHANGES[0]), step("b"), step("c", *CHANGES[1:3], settled=True)],
        ["n2", "n1"],
        [("n2", "p"), ("n3", "a"), ("n1", "p")],
        {},
        {},
    )
    assert [(each.name, each.why, each.needs, each.settled) for each in way.steps] == [
        ("c", "take c back", "running", False),
        ("a", "take a back", "running", True),
    ]
    assert way.steps[0].changes == CHANGES[1:3]
    assert (way.speakers, way.sessions) == (("n1", "n2"), {"a": ("n3",), "p": ("n1", "n2")})
    # So that the same plan gives the same file.
    assert [*way.sessions] == ["a", "p"]


def test_what_follows_an_edit_of_the_template_waits_for_it_across_plans() -> None:
    template = Patch("DaemonSet", "ns", "speaker", "json", [{"op": "add", "path": "/spec/template/spec/x", "value": 1}])
    steps = (Step("hold-restarts", "", (CHANGES[:1],)), Step("daemonset", "", ((template,),)))
    first, second, last = (WayBack(part, (), {}) for part in (steps[:1], steps[:1], steps))

    def waiting(*ways: WayBack) -> list[list[bool]]:
        return [[step.settled for step in way.steps] for way in chained(ways)]

    assert waiting(first, second, last) == [[False], [True], [False, False]]
    # All of the second plan was taken back before the last one was made.
    assert waiting(first, replace(second, steps=()), last) == [[True], [], [False, False]]


def test_the_fingerprint_tells_speakers_and_sessions() -> None:
    one, other = placed(("n1", "leaf"), ("n2", "leaf")), placed(("n1", "leaf"), speakers=["n2"])
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(replace(one, warnings=("w",), sessions=tuple(reversed(one.sessions))))

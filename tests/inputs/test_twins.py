"""The same object given twice is one; two states of it are refused, unless they come in turn."""

from __future__ import annotations

import io
import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from tests.objects import Object, conf, daemonset, list_of, node, peer, pod, refusal, write

NODES = [node("n8"), node("n9")]
ANY = [node("n1"), pod("web", "n1"), daemonset(), peer("leaf", "10.0.0.1"), conf()]


def changed(given: Object, version: str | None = None, uid: str | None = None, **metadata: Any) -> Object:
    """The object in another state."""
    more = {"uid": uid, "resourceVersion": version, **metadata}
    return given | {"metadata": given["metadata"] | {key: value for key, value in more.items() if value is not None}}


def both(folder: Path, first: object, second: object) -> list[str]:
    """Two files, and a third of two nodes."""
    files = [
        write(folder / f"{name}.json", content) for name, content in zip("abc", [first, second, NODES], strict=True)
    ]
    return [str(file) for file in files]


def refused(inputs: list[str]) -> str:
    with pytest.raises(InputError) as caught:
        read_cluster(inputs)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("given", ANY, ids=lambda given: given["kind"])
def test_an_object_given_twice_in_equal_words_is_one(tmp_path: Path, given: Object) -> None:
    expected = read_cluster(both(tmp_path / "once", given, {"kind": "List"}))
    bare = {key: value for key, value in given.items() if key not in ("kind", "apiVersion")}
    typed = {"kind": f"{given['kind']}List", "apiVersion": given["apiVersion"], "items": [bare]}
    reordered = dict(reversed(given.items()))
    for second in (given, typed, reordered, yaml.safe_dump(given), list_of(given, given)):
        assert read_cluster(both(tmp_path / "twice", given, second)) == expected
        assert read_cluster(both(tmp_path / "twice", second, given)) == expected


@pytest.mark.parametrize("given", ANY, ids=lambda given: given["kind"])
def test_of_a_whole_and_a_trimmed_object_of_one_version_the_whole_one_counts(tmp_path: Path, given: Object) -> None:
    whole = changed(given, "7", "u1", annotations={"a": "b"})
    expected = read_cluster(both(tmp_path, whole, {"kind": "List"}))
    for part in (changed(given, "7", "u1"), changed(given, "7"), changed({**given, "status": None, "spec": {}}, "7")):
        for inputs in ([whole, list_of(part)], [list_of(part), whole]):
            found = read_cluster(both(tmp_path, *inputs))
            (finding,) = [each for each in found.warnings if each.rule == "object-trimmed"]
            assert finding.object.endswith(given["metadata"]["name"])
            assert replace(found, warnings=()) == replace(expected, warnings=())
    for other in (changed(given, "8", "u1"), changed(given, "7", "u2"), changed(given)):
        assert "given twice" in refused(both(tmp_path, whole, other))


@pytest.mark.parametrize("given", ANY, ids=lambda given: given["kind"])
def test_who_set_which_field_is_no_difference(tmp_path: Path, given: Object) -> None:
    found = read_cluster(both(tmp_path, given, changed(given, managedFields=[{"manager": "kubelet"}])))
    assert "object-trimmed" not in [each.rule for each in found.warnings]


FULL = changed(node("n1", {"rack": "r1"}, allocatable={"cpu": "4"}, taints=[{"key": "a", "effect": "NoExecute"}]), "7")
TRIMMED = changed(node("n1", ready=None), "7")


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0)])
def test_a_trimmed_node_takes_nothing_away(tmp_path: Path, order: tuple[int, ...]) -> None:
    given = [(FULL, TRIMMED)[each] for each in order]
    texts = ["".join(json.dumps(list_of(each), indent=1) + "\n" for each in given), list_of(*given)]
    files = [*both(tmp_path, given[0], given[1])[:2], str(write(tmp_path / "d.json", given[-1]))]
    for inputs in (files, [str(write(tmp_path / "e.json", texts[0]))], [str(write(tmp_path / "f.json", texts[1]))]):
        found = read_cluster(inputs)
        assert found.nodes == read_cluster([str(write(tmp_path / "g.json", FULL))]).nodes
        sentence = "Node n1 is given whole and trimmed, of which the whole one counts"
        assert [each.sentence for each in found.warnings if each.rule == "object-trimmed"] == [sentence]


def test_of_one_version_and_neither_a_part_of_the_other_is_refused_with_the_field(tmp_path: Path) -> None:
    for other, field in (
        (TRIMMED | {"spec": {"unschedulable": True}}, "spec.taints"),
        (TRIMMED | {"spec": {"taints": []}}, "spec.taints"),
        (changed(TRIMMED, labels={"rack": "r2"}), "metadata.labels.rack"),
        (changed(FULL, labels={"rack": "r2"}), "metadata.labels.rack"),
    ):
        for inputs in ([FULL, other], [other, FULL]):
            told = f"they differ in {field}, though both are of resourceVersion 7, so leave one of them out"
            assert refused(both(tmp_path, *inputs)).endswith(told)


@pytest.mark.parametrize("given", ANY, ids=lambda given: given["kind"])
def test_two_states_in_two_files_or_in_one_list_are_refused(tmp_path: Path, given: Object) -> None:
    other = changed(given, labels={"rack": "r2"})
    first, second, nodes = both(tmp_path, list_of(given), list_of(other))
    namespace, field = given["metadata"].get("namespace"), "rack" if "labels" in given["metadata"] else ""
    name = ".".join(filter(None, ("metadata", "labels", field)))
    assert refused([first, second, nodes]) == (
        f"{second}: {given['kind']} {f'{namespace}/' if namespace else ''}{given['metadata']['name']}: given twice, "
        f"first in {first}; they differ in {name}, so leave one of them out"
    )
    more = [] if given["kind"] == "Node" else [node("n1")]
    assert "given twice, first in cluster.json" in refusal(tmp_path, *more, given, other)


def test_what_differs_is_named_from_what_people_set_to_what_moves_by_itself(tmp_path: Path) -> None:
    first = changed(node("n1", allocatable={"cpu": "4"}), "100", "u1", generation=1)
    second = changed(deepcopy(first), "105", generation=2)
    assert "in metadata.generation (resourceVersion 100 and 105), so" in refused(both(tmp_path, first, second))
    second["status"]["allocatable"]["cpu"] = "5"
    assert "in status.allocatable.cpu (resource" in refused(both(tmp_path, first, second))
    second["spec"] = {"unschedulable": True}
    assert "in spec.unschedulable (resource" in refused(both(tmp_path, first, second))


def test_a_password_that_differs_is_not_shown(tmp_path: Path) -> None:
    peers = [peer("leaf", "10.0.0.1"), peer("leaf", "10.0.0.1")]
    for each, secret in zip(peers, ("hunter-1", "hunter-2"), strict=True):
        each["spec"]["conf"]["authPassword"] = secret
    told = refused(both(tmp_path, *peers))
    assert "they differ in spec.conf.authPassword, so" in told
    assert "hunter" not in told


def test_many_nodes_in_many_files_are_compared_whichever_file_they_are_in(tmp_path: Path) -> None:
    """As a must-gather has them, and a file of all of them beside it."""
    nodes = [changed(node(f"n{i}"), str(i), f"u{i}", annotations={"a": "x" * i}) for i in range(50)]
    for each in nodes:
        write(tmp_path / "in" / "nodes" / f"{each['metadata']['name']}.yaml", f"---\n{yaml.safe_dump(each)}")
    write(tmp_path / "in" / "nodes.json", list_of(*nodes))
    assert len(read_cluster([str(tmp_path / "in")]).nodes) == 50
    write(tmp_path / "in" / "nodes" / "n7.yaml", yaml.safe_dump(changed(nodes[7], "70")))
    assert "Node n7: given twice" in refused([str(tmp_path / "in")])


def test_a_pipe_and_a_file_of_the_same_nodes_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "in.json", list_of(*NODES))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(NODES).encode())))
    assert len(read_cluster(["-", str(file)]).nodes) == 2

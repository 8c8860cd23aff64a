"""What `kubectl get --watch` prints: of an object's states the newest counts, and what was deleted is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.model import Cluster
from tests.objects import Object, daemonset, list_of, node, pod, write


def at(version: str | None, given: Object, **spec: object) -> Object:
    """The object in the state of a resourceVersion."""
    metadata = given["metadata"] | ({} if version is None else {"resourceVersion": version})
    return given | {"metadata": metadata, "spec": given["spec"] | spec}


def event(kind: str, given: Object) -> Object:
    return {"type": kind, "object": given}


def lines(given: Iterable[Object]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in given)


def indented(given: Iterable[Object]) -> str:
    return "".join(f"{json.dumps(each, indent=4)}\n" for each in given)


def documents(given: Iterable[Object]) -> str:
    return "---\n".join(yaml.safe_dump(each) for each in given)


def array(given: Iterable[Object]) -> str:
    return json.dumps([*given])


def read(folder: Path, content: str) -> Cluster:
    return read_cluster([str(write(folder / "watch.json", content))])


def cordoned(cluster: Cluster) -> list[str]:
    return [each.name for each in cluster.nodes if each.unschedulable]


def told(cluster: Cluster) -> list[str]:
    return [each.sentence for each in cluster.warnings if each.rule == "watch-stream"]


N1, N2 = node("n1"), node("n2")
STATES = [at("99", N1), at("98", N2), at("101", N1, unschedulable=True), at("98", N2)]


@pytest.mark.parametrize("form", [lines, indented, documents])
def test_the_newest_state_of_an_object_counts(tmp_path: Path, form: object) -> None:
    cluster = read(tmp_path, form(STATES))  # type: ignore[operator]
    assert cordoned(cluster) == ["n1"]
    assert told(cluster) == ["Node n1 came in several versions, of which the newest counts"]
    assert cordoned(read(tmp_path, form(reversed(STATES)))) == ["n1"]  # type: ignore[operator]


@pytest.mark.parametrize("form", [lines, indented, documents, array])
def test_events_are_read(tmp_path: Path, form: object) -> None:
    bookmark = event("BOOKMARK", {"kind": "Node", "apiVersion": "v1", "metadata": {"resourceVersion": "200"}})
    n3 = node("n3")
    events = [event("ADDED", STATES[0]), event("ADDED", STATES[1]), event("MODIFIED", STATES[2]), bookmark]
    events += [event("ADDED", at("102", n3)), event("DELETED", at("103", n3)), event("DELETED", at("104", N2))]
    events += [event("ADDED", at("105", N2))]
    cluster = read(tmp_path, form(events))  # type: ignore[operator]
    assert [each.name for each in cluster.nodes] == ["n1", "n2"]
    assert cordoned(cluster) == ["n1"]
    assert told(cluster) == ["3 objects, such as Node n1, came in several versions, of which the newest counts"]


def test_versions_are_numbers_and_not_words(tmp_path: Path) -> None:
    states = [at("1000", N1, unschedulable=True), at("999", N1)]
    assert cordoned(read(tmp_path, lines(states))) == ["n1"]


@pytest.mark.parametrize("versions", [("b", "a"), (None, None), ("5", None), (None, "5"), ("1" * 99, "1")])
def test_without_a_number_the_later_state_counts(tmp_path: Path, versions: tuple[str | None, str | None]) -> None:
    states = [at(versions[0], N1), at(versions[1], N1, unschedulable=True)]
    assert cordoned(read(tmp_path, lines(states))) == ["n1"]
    assert cordoned(read(tmp_path, documents(event("MODIFIED", each) for each in states))) == ["n1"]


def test_equal_states_are_no_versions(tmp_path: Path) -> None:
    assert told(read(tmp_path, lines([at("5", N1), at("5", N1), N2, N2]))) == []


def test_a_list_and_what_a_watch_says_after_it_is_one_stream(tmp_path: Path) -> None:
    content = indented([list_of(at("99", N1), at("98", N2)), at("101", N1, unschedulable=True)])
    assert cordoned(read(tmp_path, content)) == ["n1"]


def test_pods_come_and_go(tmp_path: Path) -> None:
    web = pod("web", "n1", requests={"cpu": "1"})
    moved = at("7", pod("web", "n1", requests={"cpu": "2"}))
    nodes = list_of(N1)
    events = [event("ADDED", at("6", web)), event("MODIFIED", moved), event("ADDED", at("8", pod("db", "n1")))]
    for more, expected in ([], 2), ([event("DELETED", at("9", moved))], 1):
        cluster = read(tmp_path, lines([nodes, *events, *more]))
        assert cluster.nodes[0].requested.pods == expected
    assert cluster.nodes[0].requested.cpu == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lines([list_of(at("1", N1), at("2", N1, unschedulable=True)), at("0", N2)]), "Node n1: given twice, first in"),
        (documents([N1, at(None, N1, unschedulable=True)]), "Node n1: given twice, first in"),
        (array([at("1", N1), at("2", N1, unschedulable=True)]), "Node n1: given twice, first in"),
        (
            lines([event("ERROR", {"kind": "Status", "status": "Failure", "message": "too old resource version"})]),
            "the watch ended with an error: too old resource version",
        ),
        (lines([event("ERROR", {"kind": "Status"})]), "the watch ended with an error: no reason is given"),
        (lines([event("ERROR", {"kind": "Status", "status": 5})]), "status: expected text, found a whole number"),
        (lines([event("MOVED", N1)]), "not a Kubernetes object, it has no kind"),
        (lines([{"type": "ADDED"}, N1]), "not a Kubernetes object, it has no kind"),
        (
            json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "nodes is forbidden"}),
            "holds no objects, but the server's answer: nodes is forbidden",
        ),
        (lines([N1])[:-9], "the JSON text is cut off (line 1)"),
    ],
)
def test_what_is_no_stream_of_states_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path}/watch.json: {sentence}")


def test_in_two_files_no_state_is_newer(tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{number}.json", lines([each])) for number, each in enumerate(STATES[::2]))
    with pytest.raises(InputError, match="Node n1: given twice"):
        read_cluster([str(first), str(second), str(write(tmp_path / "rest.json", daemonset()))])

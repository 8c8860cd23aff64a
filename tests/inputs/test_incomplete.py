"""What a dump lacks is noticed: pages of lists, pods of other namespaces, files that are empty or hold other things."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.items import objects
from optimizer.model import Cluster
from tests.objects import Object, daemonset, list_of, node, pod, read, speaker_pod, write

NODES = [node("n1"), node("n2")]


def page(kind: str, *items: Object, api: str = "v1", **metadata: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"resourceVersion": "5"} | metadata, "items": [*items]}


def refused(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_cluster([str(file)])
    return str(caught.value).removeprefix(f"{file}: ")


FIRST = page("NodeList", *NODES, remainingItemCount=2, **{"continue": "eyJ2"})


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(FIRST),
        json.dumps(FIRST, indent=4),
        yaml.safe_dump(FIRST, sort_keys=False),
        yaml.safe_dump(FIRST),
        json.dumps([FIRST]),
        f"{json.dumps(FIRST)}\n{json.dumps(NODES[0])}",
        gzip.compress(json.dumps(FIRST).encode()),
    ],
    ids=["json", "indented", "yaml", "sorted-yaml", "array", "stream", "packed"],
)
def test_one_page_of_several_is_refused(tmp_path: Path, content: object) -> None:
    assert refused(write(tmp_path / "in.json", content)) == (
        "the NodeList is one page of several: 2 Nodes are missing; kubectl get nodes -A -o json dumps all pages"
    )


def test_a_page_in_kubectls_own_yaml_is_refused(tmp_path: Path) -> None:
    text = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: n1\nkind: List\nmetadata:\n"
    for more in ('  continue: "12"\n', "  continue: eyJ2\n", "  remainingItemCount: 1\n"):
        assert "the List is one page of several" in refused(write(tmp_path / "in.yaml", text + more))
    assert len(read_cluster([str(write(tmp_path / "in.yaml", text + '  resourceVersion: ""\n'))]).nodes) == 1


@pytest.mark.parametrize(
    ("metadata", "missing"),
    [
        ({"continue": "x"}, "the others are"),
        ({"remainingItemCount": 1}, "1 Node is"),
        ({"continue": "x", "remainingItemCount": None}, "the others are"),
    ],
)
def test_a_page_says_what_is_missing_as_far_as_it_knows(tmp_path: Path, metadata: Object, missing: str) -> None:
    assert f"several: {missing} missing; " in refused(write(tmp_path / "in.json", page("NodeList", *NODES, **metadata)))


def test_a_page_within_a_list_and_one_of_any_kind_that_is_read_are_refused(tmp_path: Path) -> None:
    assert "items[2]: the NodeList is one" in refused(write(tmp_path / "in.json", list_of(*NODES, FIRST)))
    for kind, api in (("PodList", "v1"), ("List", "v1"), ("BgpPeerList", "network.kubesphere.io/v1alpha2")):
        file = write(tmp_path / "in.json", [*NODES, page(kind, api=api, **{"continue": "x"})])
        assert f"the {kind} is one page" in refused(file)


@pytest.mark.parametrize(
    "metadata", [{"continue": ""}, {"continue": None}, {"remainingItemCount": 0}, {"remainingItemCount": None}]
)
def test_a_list_that_says_it_is_whole_is_read(tmp_path: Path, metadata: Object) -> None:
    assert len(read_cluster([str(write(tmp_path / "in.json", page("NodeList", *NODES, **metadata)))]).nodes) == 2


def test_a_page_of_what_is_not_read_may_be_one_of_several(tmp_path: Path) -> None:
    write(tmp_path / "in" / "maps.json", page("ConfigMapList", **{"continue": "x"}))
    write(tmp_path / "in" / "nodes.json", NODES)
    assert len(read_cluster([str(tmp_path / "in")]).nodes) == 2


def test_the_pages_of_our_own_client_are_read() -> None:
    assert [each.name for each in objects(json.dumps(FIRST).encode(), "server", page=True)] == ["n1", "n2"]


def found(cluster: Cluster, rule: str) -> list[str]:
    return [each.sentence for each in cluster.warnings if each.rule == rule]


ALL = "all Pods of the input are in the namespace openelb-system: "
FREE = "request is not known and assumed to be free (was it dumped with -A?)"


def test_pods_of_one_namespace_are_not_taken_for_all(tmp_path: Path) -> None:
    cluster = read(tmp_path, *NODES, daemonset(), speaker_pod("n1"), speaker_pod("n2"))
    assert found(cluster, "pods-of-some-namespaces") == [f"{ALL}what those of others {FREE}"]


@pytest.mark.parametrize("extra", [[pod("dns", "n1", namespace="kube-system")], [pod("job", None, namespace="x")]])
def test_pods_of_several_namespaces_are_all(tmp_path: Path, extra: list[Object]) -> None:
    others = [daemonset("proxy", "kube-system", scheduled=0), daemonset("log", "kube-system")]
    cluster = read(tmp_path, *NODES, daemonset(scheduled=1), *others, speaker_pod("n1"), *extra)
    assert found(cluster, "pods-of-some-namespaces") == []


def some(pods: Iterable[Object], folder: Path, scheduled: int | None = None) -> list[str]:
    others = [daemonset(name, space, scheduled=2) for name, space in (("proxy", "kube-system"), ("exporter", "watch"))]
    return found(read(folder, *NODES, daemonset(scheduled=scheduled), *others, *pods), "pods-of-some-namespaces")


def test_daemonsets_whose_pods_are_not_in_the_input_name_their_namespaces(tmp_path: Path) -> None:
    told = "by their status DaemonSets in the {} have Pods that are not in the input: what these " + FREE
    web, proxy = pod("web", "n1"), pod("proxy-x7x2p", "n1", namespace="kube-system", owner="proxy")
    exporter = pod("any-name", "n1", namespace="watch", owner="exporter")
    assert some([speaker_pod("n1"), web], tmp_path) == [told.format("namespaces kube-system, watch")]
    assert some([speaker_pod("n1"), web, proxy], tmp_path) == [told.format("namespace watch")]
    assert some([speaker_pod("n1"), web, exporter], tmp_path) == [told.format("namespace kube-system")]
    look_alike = pod("dns-1", "n1", namespace="watch", owner="other")
    assert some([speaker_pod("n1"), proxy, look_alike], tmp_path) == [told.format("namespace watch")]
    assert some([speaker_pod("n1"), web, proxy, exporter], tmp_path) == []


def test_a_dump_without_pods_and_one_without_the_speakers_pods_are_told_once(tmp_path: Path) -> None:
    assert some([], tmp_path) == []
    proxy, exporter = pod("proxy-x", "n1", namespace="kube-system"), pod("exporter-x", "n1", namespace="watch")
    assert some([proxy, exporter], tmp_path, scheduled=2) == []


def test_a_foreign_daemonset_may_have_any_status(tmp_path: Path) -> None:
    odd = daemonset("odd", "x") | {"status": {"currentNumberScheduled": "many"}}
    pods = [speaker_pod("n1"), pod("web", "n1")]
    assert found(read(tmp_path, *NODES, daemonset(), odd, *pods), "pods-of-some-namespaces") == []


def test_files_without_objects_in_a_folder_are_passed_over_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "nodes.json", NODES)
    others = {"errors.json": {"default": "not found"}, "groups.json": [{"name": "apps"}], "list.json": [1, "a"]}
    others |= {"version.yaml": "major: 1", "words.yaml": "some words", "resources.json": [{"kind": "APIs"}, {"a": 1}]}
    others |= {"refused.json": {"kind": "Status", "status": "Failure", "message": "pods is forbidden"}}
    for name, content in others.items():
        write(folder / name, content)
    write(folder / "pods.json.xz", b"\xfd7zXZ\x00")
    write(folder / "empty.json", b"")
    write(folder / "blank\x1b.yaml", b" \n")
    cluster = read_cluster([str(folder)])
    (passed,), (empty,) = found(cluster, "file-passed-over"), found(cluster, "file-empty")
    (packed,) = found(cluster, "file-packed")
    assert packed == (
        f"1 file is packed in a way that is not read, and passed over: {folder}/pods.json.xz; unpack it, or pack it "
        "with gzip"
    )
    assert passed.startswith("7 files hold no Kubernetes object that is read, and are passed over: ")
    assert passed.endswith(" and 4 more")
    assert empty == f"2 files are empty and passed over: {folder}/blank\\x1b.yaml, {folder}/empty.json"
    assert empty.isprintable()
    for name in others:
        with pytest.raises(InputError):
            read_cluster([str(folder / "nodes.json"), str(folder / name)])
    with pytest.raises(InputError, match="the file is empty"):
        read_cluster([str(folder / "nodes.json"), str(folder / "empty.json")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.json", '{"kind": "PodList", "items": ['),
        ("cut.yaml", "a: [1,\n"),
        ("mixed.json", json.dumps([pod("web", "n1"), {"a": 1}])),
        ("mixed.yaml", f"a: 1\n---\n{yaml.safe_dump(pod('web', 'n1'))}"),
        ("nameless.json", json.dumps({"kind": "Node"})),
        ("lost.json.gz", b"\x1f\x8b\x08"),
    ],
)
def test_what_is_broken_in_a_folder_is_refused(tmp_path: Path, name: str, content: str | bytes) -> None:
    write(tmp_path / "in" / "nodes.json", NODES)
    file = write(tmp_path / "in" / name, content)
    with pytest.raises(InputError) as caught:
        read_cluster([str(tmp_path / "in")])
    assert str(caught.value).startswith(f"{file}: ")


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / ".dump"
    write(folder / "nodes.json", NODES)
    write(folder / "._nodes.json", b"\x00\x05")
    write(folder / ".cache" / "old.json", node("n9"))
    assert [each.name for each in read_cluster([str(folder)]).nodes] == ["n1", "n2"]


def test_where_no_node_is_found_it_is_said_what_was_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "in" / "nodes.json", b"")
    assert refused(tmp_path / "in").endswith(f"; 1 file is empty and passed over: {tmp_path}/in/nodes.json")

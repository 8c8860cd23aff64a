"""Every form in which objects come gives the same cluster, and broken ones are refused with one sentence."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.inputs.cluster import read_cluster
from optimizer.model import Cluster
from tests.objects import Object, conf, daemonset, list_of, node, peer, pod, read, refusal, speaker_pod, write

OBJECTS = (
    node("n1", {"rack": "r1"}, addresses=["10.0.0.1"], allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"}),
    node("n2", {"rack": "r2"}, taints=[{"key": "gpu", "effect": "NoSchedule"}]),
    pod("web", "n1", requests={"cpu": "250m", "memory": "1Gi"}),
    speaker_pod("n1"),
    daemonset(),
    peer("leaf-1", "10.1.0.1", {"matchLabels": {"rack": "r1"}}),
    conf(asPerRack={"r1": 65001}),
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes"}},
)
NODES = [each for each in OBJECTS if each["kind"] == "Node"]


def as_json(*objects: Object) -> str:
    return json.dumps(list_of(*objects))


def as_yaml(*objects: Object) -> str:
    return yaml.safe_dump_all(objects)


@pytest.fixture
def expected(tmp_path: Path) -> Cluster:
    return read(tmp_path / "expected", *OBJECTS)


def one(folder: Path, content: object, name: str = "objects.yaml") -> Cluster:
    return read_cluster([str(write(folder / name, content))])


@pytest.mark.parametrize(
    "content",
    [
        as_json(*OBJECTS),
        json.dumps(list_of(*OBJECTS), indent=4),
        json.dumps(OBJECTS),
        "\n".join(json.dumps(each) for each in OBJECTS),
        "\n---\n".join(json.dumps(each, indent=1) for each in OBJECTS),
        json.dumps([list_of(*OBJECTS[:3]), list_of(*OBJECTS[3:])]),
        json.dumps(list_of(list_of(*OBJECTS[:3]), *OBJECTS[3:])),
        yaml.safe_dump(list_of(*OBJECTS)),
        yaml.safe_dump(list_of(*OBJECTS), default_flow_style=True),
        as_yaml(*OBJECTS),
        "---\n" + as_yaml(*OBJECTS).replace("---\n", "---\n\n---\n# nothing here\n---\n"),
        as_yaml(*OBJECTS).replace("\n", "\r\n"),
        as_json(*OBJECTS[:4]) + "\n---\n" + as_yaml(*OBJECTS[4:]),
        as_json(*reversed(OBJECTS)),
        codecs.BOM_UTF8 + as_json(*OBJECTS).encode(),
        as_json(*OBJECTS).encode("utf-16"),
        as_yaml(*OBJECTS).replace("\n", "\r\n").encode("utf-16"),
        codecs.BOM_UTF16_BE + as_json(*OBJECTS).encode("utf-16-be"),
        "\n\n  " + as_json(*OBJECTS),
    ],
    ids=[
        *[
            "list",
            "indented",
            "array",
            "stream",
            "separated",
            "array-of-lists",
            "list-in-list",
            "yaml-list",
            "yaml-flow",
        ],
        *["yaml-documents", "empty-documents", "crlf", "json-then-yaml", "reversed", "bom", "utf-16", "utf-16-yaml"],
        *["utf-16-be", "leading-space"],
    ],
)
def test_the_same_objects_in_any_form_give_an_equal_cluster(tmp_path: Path, content: object, expected: Cluster) -> None:
    assert one(tmp_path, content) == expected


def test_a_typed_list_gives_its_members_their_kind(tmp_path: Path) -> None:
    bare = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")} for each in NODES]
    listed = {"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": bare}
    assert one(tmp_path, listed).nodes == read(tmp_path, *NODES).nodes
    assert one(tmp_path, yaml.safe_dump(listed)).nodes == read(tmp_path, *NODES).nodes


def test_a_typed_list_gives_its_members_their_group(tmp_path: Path) -> None:
    made = daemonset()
    listed = {"kind": "DaemonSetList", "apiVersion": made.pop("apiVersion"), "items": [made]}
    assert made.pop("kind")
    write(tmp_path / "in" / "daemonsets.json", listed)
    write(tmp_path / "in" / "nodes.json", NODES)
    assert read_cluster([str(tmp_path / "in")]).speaker is not None


def test_a_single_object_is_read(tmp_path: Path) -> None:
    assert [each.name for each in one(tmp_path, NODES[0]).nodes] == ["n1"]
    assert [each.name for each in one(tmp_path, yaml.safe_dump(NODES[0])).nodes] == ["n1"]


@pytest.mark.parametrize("items", ["null", "[]"])
def test_an_empty_list_holds_nothing(tmp_path: Path, items: str) -> None:
    empty = write(tmp_path / "pods.json", f'{{"kind": "PodList", "apiVersion": "v1", "items": {items}}}')
    nodes = write(tmp_path / "nodes.json", NODES)
    assert len(read_cluster([str(empty), str(nodes)]).nodes) == 2


def test_a_folder_is_read_with_its_folders_and_other_files_are_passed_over(tmp_path: Path, expected: Cluster) -> None:
    folder = tmp_path / "dump"
    write(folder / "nodes.json", as_json(*OBJECTS[:2]))
    write(folder / "pods" / "all.YAML", as_yaml(*OBJECTS[2:4]))
    write(folder / "openelb" / "deep" / "rest.yml", yaml.safe_dump(list_of(*OBJECTS[4:])))
    write(folder / "README.md", "not an object")
    assert read_cluster([str(folder)]) == expected


def test_files_and_folders_together_are_one_input(tmp_path: Path, expected: Cluster) -> None:
    write(tmp_path / "in" / "nodes.json", as_json(*OBJECTS[:2]))
    rest = write(tmp_path / "rest", as_yaml(*OBJECTS[2:]))
    assert read_cluster([str(tmp_path / "in"), str(rest)]) == expected
    assert read_cluster([str(rest), str(tmp_path / "in")]) == expected


def test_the_same_file_through_two_paths_is_read_once(tmp_path: Path, expected: Cluster) -> None:
    file = write(tmp_path / "in" / "a.json", as_json(*OBJECTS))
    (tmp_path / "in" / "link.json").symlink_to(file)
    paths = [file, tmp_path / "in", tmp_path / "in" / ".." / "in" / "a.json", tmp_path / "in" / "link.json"]
    assert read_cluster([str(path) for path in paths]) == expected


@pytest.mark.parametrize("version", ["longhorn.io/v1beta2", "management.cattle.io/v3", "projectcalico.org/v3"])
def test_a_node_of_another_product_is_passed_over(tmp_path: Path, version: str) -> None:
    foreign = {
        "apiVersion": version,
        "kind": "Node",
        "metadata": {"name": "n1", "namespace": "x"},
        "spec": {"taints": 1},
    }
    assert len(read(tmp_path, *NODES, foreign).nodes) == 2


def test_a_bgp_peer_of_another_product_is_passed_over(tmp_path: Path) -> None:
    foreign = {"apiVersion": "metallb.io/v1beta2", "kind": "BgpPeer", "metadata": {"name": "x"}, "spec": {"myASN": 1}}
    assert read(tmp_path, *NODES, foreign).peers == ()


def test_kinds_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    odd = {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"labels": 5}, "items": {"a": [1]}}
    matcher = "apiVersion: x/v1\nkind: AlertmanagerConfig\nmatchType: =\nat: 12:30\nday: 2024-02-30\n"
    write(tmp_path / "in" / "odd.yaml", matcher)
    write(tmp_path / "in" / "rest.json", [*NODES, odd])
    assert len(read_cluster([str(tmp_path / "in")]).nodes) == 2


def inputs_refused(*inputs: object) -> str:
    with pytest.raises(InputError) as caught:
        read_cluster([str(each) for each in inputs])
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert inputs_refused(tmp_path / "no.json") == f"{tmp_path}/no.json: no such file"
    assert inputs_refused(tmp_path) == f"{tmp_path}: the folder holds no .json, .yaml or .yml file"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    assert inputs_refused(tmp_path / "loop.json").startswith(f"{tmp_path}/loop.json: ")


def test_an_input_without_nodes_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, daemonset()).startswith("cluster.json: no Node among the objects")


def test_pods_of_one_name_in_two_namespaces_are_two(tmp_path: Path) -> None:
    pods = [pod("web", "n1", namespace=namespace, requests={"cpu": 1}) for namespace in ("a", "b")]
    assert read(tmp_path, *NODES, *pods).nodes[0].requested.cpu == 2000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1]", "in.yaml: holds int where a Kubernetes object should be"),
        ("just text", "in.yaml: holds str where a Kubernetes object should be"),
        ("[[{}]]", "in.yaml: holds list where a Kubernetes object should be"),
        ("{}", "in.yaml: not a Kubernetes object, it has no kind"),
        ("name: values-of-a-chart", "in.yaml: not a Kubernetes object, it has no kind"),
        ('{"kind": 5}', "in.yaml: kind: expected text, found a whole number"),
        ("kind: [Node]", "in.yaml: kind: expected text, found a list"),
        ('{"kind": "List", "items": 5}', "in.yaml: items: expected a list, found a whole number"),
        ("kind: List\nitems: {a: 1}", "in.yaml: items: expected a list, found an object"),
        ('{"kind": "List", "items": [5]}', "in.yaml: items[0]: expected an object, found a whole number"),
        ('{"kind": "List", "items": [{}]}', "in.yaml: items[0]: not a Kubernetes object, it has no kind"),
        ('{"kind": "Node"}', "in.yaml: Node without metadata.name"),
        ("kind: Node\nmetadata: {name: 5}", "in.yaml: metadata: name: expected text, found a whole number"),
        ("kind: Node\nmetadata: []", "in.yaml: metadata: expected an object, found a list"),
        (
            "kind: Node\nmetadata: {name: n1, labels: {a: 1}}",
            "in.yaml: metadata: labels[...]: expected text, found a whole number",
        ),
        ("? {a: 1}\n: b", "in.yaml: line 1: not valid YAML (found unhashable key)"),
        ("null: 1\nkind: Node", "in.yaml: not a Kubernetes object (only dicts with str-like or number-like keys"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    file = write(tmp_path / "in.yaml", content)
    assert inputs_refused(file).replace(f"{tmp_path}/", "").lower().startswith(sentence.lower())


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a;b", "node 1", "nöde", "Node-1", "a\nb", "a\u0000b", "-", "x" * 254, "../etc"]
)
def test_names_that_no_object_can_have_are_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be the name of a Node" in refusal(tmp_path, node(name))
    assert "cannot be the name of a Pod" in refusal(tmp_path, *NODES, pod(name, "n1"))
    assert "cannot be the name of a DaemonSet" in refusal(tmp_path, *NODES, daemonset(name))
    assert "cannot be the name of a DaemonSet or its namespace" in refusal(tmp_path, *NODES, daemonset("x", name))
    assert "cannot be the name of a BgpPeer" in refusal(tmp_path, *NODES, peer(name, "10.0.0.1"))


def test_a_name_of_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    assert "not UTF-8 text" in refusal(tmp_path, node("\ud800"))
    assert "not UTF-8 text" in refusal(tmp_path, node("n1", {"\ud800": "x"}))

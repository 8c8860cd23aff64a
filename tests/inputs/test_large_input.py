"""What is done for large dumps gives what small ones give: mapped files, shared values, objects decoded at once."""

from __future__ import annotations

import codecs
import gc
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from optimizer.cli.main import main
from optimizer.errors import InputError
from optimizer.inputs import text as documents
from optimizer.inputs.attachments import read_attachments
from optimizer.inputs.cluster import read_cluster
from optimizer.inputs.routers import with_topology
from optimizer.inputs.topology import parse_topology
from optimizer.model import Policy, Survive
from tests.objects import Object, daemonset, list_of, node, peer, pod, read, write

OBJECTS = [
    *(
        node(f"n{i:04d}", {"rack": f"r{i // 40}", "chassis": f"c{i // 8}"}, allocatable={"cpu": "4"})
        for i in range(3000)
    ),
    *(peer(f"leaf-{i}", f"10.1.0.{i + 1}", {"matchLabels": {"rack": f"r{i}"}}) for i in range(75)),
    daemonset(),
]


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is not empty is mapped."""
    monkeypatch.setattr(documents, "MAPPED", 1)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(list_of(*OBJECTS)),
        codecs.BOM_UTF8 + json.dumps(list_of(*OBJECTS), indent=4).encode(),
        json.dumps(list_of(*OBJECTS)).encode("utf-16"),
        json.dumps(OBJECTS),
        "\n".join(map(json.dumps, OBJECTS)),
    ],
    ids=["list", "bom", "utf-16", "array", "stream"],
)
@pytest.mark.usefixtures("mapped")
def test_a_mapped_file_gives_what_a_file_that_is_read_gives(tmp_path: Path, content: str | bytes) -> None:
    expected = read_cluster([str(write(tmp_path / "expected.json", list_of(*OBJECTS)))])
    assert read_cluster([str(write(tmp_path / "in.json", content))]) == expected


@pytest.mark.usefixtures("mapped")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty"),
        (" ", "the file is empty"),
        ('{"kind": "List", "items": [', "the JSON text is cut off (line 1)"),
        (b"\xff", "not valid YAML"),
    ],
)
def test_a_mapped_file_that_is_broken_is_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_cluster([str(write(tmp_path / "in.json", content))])
    assert sentence in str(caught.value)


@pytest.mark.usefixtures("mapped")
def test_what_was_read_stays_when_the_file_is_gone(tmp_path: Path) -> None:
    file = write(tmp_path / "in.json", list_of(*OBJECTS))
    cluster = read_cluster([str(file)])
    file.unlink()
    assert cluster.peers[0].manifest["kind"] == "BgpPeer"


def test_members_of_any_order_and_kind_are_read(tmp_path: Path) -> None:
    foreign: list[Object] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"taints": 5}},
        {"apiVersion": "longhorn.io/v1beta2", "kind": "Node", "metadata": {"name": "n0000"}, "spec": {}},
        {"apiVersion": "v1", "kind": "List", "items": [node("n9998"), pod("a", "n9998")]},
    ]
    mixed = [
        foreign[0],
        OBJECTS[0],
        OBJECTS[-1],
        foreign[1],
        OBJECTS[1],
        foreign[2],
        OBJECTS[-2],
        pod("b", "n0001"),
        node("n9999"),
    ]
    cluster = read(tmp_path, *mixed)
    assert [each.name for each in cluster.nodes] == ["n0000", "n0001", "n9998", "n9999"]
    assert [each.requested.pods for each in cluster.nodes] == [0, 1, 1, 0]
    assert [each.name for each in cluster.peers] == ["leaf-74"]


def test_a_manifest_has_no_status(tmp_path: Path) -> None:
    given = peer("leaf-1", "10.1.0.1") | {"status": {"nodesPeerStatus": {"n0000": {}}}}
    found = read(tmp_path, OBJECTS[0], given).peers[0].manifest
    assert found == {key: value for key, value in given.items() if key != "status"}


def test_equal_values_are_held_once(tmp_path: Path) -> None:
    tainted = [node(f"n{i}", {"rack": "r1"}, taints=[{"key": "gpu", "effect": "NoSchedule"}]) for i in range(2)]
    topology = parse_topology({"failureDomains": [{"kind": "rack", "nodeLabel": "rack"}]}, "t")
    one, two = with_topology(read(tmp_path, *tainted), topology, Policy(survive=(Survive("rack"),))).nodes
    assert one.taints is two.taints
    assert one.domains is two.domains


def test_names_in_a_file_of_attachments_are_held_once(tmp_path: Path) -> None:
    pairs = read_attachments(write(tmp_path / "links.csv", "router,node\n" + "leaf-1,n1\n" * 2))
    assert pairs == (("n1", "leaf-1"),) * 2
    assert pairs[0][0] is pairs[1][0]


def test_a_command_leaves_the_garbage_collector_as_it_is(tmp_path: Path) -> None:
    file = write(tmp_path / "in.json", list_of(node("n1")))
    assert CliRunner().invoke(main, ["optimize", str(file), "--survive", "nothing"]).exit_code == 1
    assert gc.isenabled()


def test_a_domain_that_no_node_can_be_in_is_refused(tmp_path: Path) -> None:
    topology: Any = {"failureDomains": [{"kind": "rack", "nodeLabel": "rack"}]}
    with pytest.raises(InputError, match=r"^node n1: label rack: 'r 1' is not a label value"):
        with_topology(read(tmp_path, node("n1", {"rack": "r 1"})), parse_topology(topology, "t"))

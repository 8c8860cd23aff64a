"""Topology files: what they may say, and what is refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from optimizer.errors import InputError
from optimizer.inputs.attachments import read_attachments
from optimizer.inputs.topology import Topology, parse_topology, read_topology
from tests.objects import write

EXAMPLE = """
routers:
  - {name: leaf-1, address: 10.0.0.1, asn: 65001, maxSessions: 128, minSpeakers: 2, domains: {rack: r1},
     nodes: {selector: {matchLabels: {rack: r1}}, names: [n1], cidrs: [10.0.1.0/24, "fd00::/64"]}}
  - {name: leaf 2}
routersFromLabel: openelb.kubesphere.io/rack
attachments: links.csv
failureDomains:
  - {kind: zone, nodeLabel: topology.kubernetes.io/zone}
"""


def topology(folder: Path, content: object) -> Topology:
    if not isinstance(content, str | bytes):
        content = yaml.safe_dump(content)
    return read_topology(write(folder / "t.yaml", content))


def refused(folder: Path, content: object) -> str:
    with pytest.raises(InputError) as caught:
        topology(folder, content)
    assert str(caught.value).isprintable()
    return str(caught.value).replace(f"{folder}/", "")


def router(**fields: Any) -> dict[str, Any]:
    return {"routers": [{"name": "leaf-1"} | fields]}


def test_every_part_is_read(tmp_path: Path) -> None:
    write(tmp_path / "links.csv", "node,router\nn1,leaf-1\n")
    found = topology(tmp_path, EXAMPLE)
    first, second = found.routers
    assert (first.name, first.address, first.asn) == ("leaf-1", "10.0.0.1", 65001)
    assert (first.max_sessions, first.min_speakers, first.domains) == (128, 2, {"rack": "r1"})
    assert first.nodes is not None
    assert first.nodes.selector is not None
    assert first.nodes.selector.match_labels == {"rack": "r1"}
    assert (first.nodes.names, first.nodes.cidrs) == (("n1",), ("10.0.1.0/24", "fd00::/64"))
    assert (second.name, second.address, second.nodes) == ("leaf 2", None, None)
    assert found.routers_from_label == "openelb.kubesphere.io/rack"
    assert found.attachments == (("n1", "leaf-1"),)
    assert [(each.kind, each.node_label) for each in found.failure_domains] == [("zone", "topology.kubernetes.io/zone")]


@pytest.mark.parametrize("text", ["", "---\n", "{}", "# nothing yet\n"])
def test_all_parts_are_optional(tmp_path: Path, text: str) -> None:
    assert topology(tmp_path, text) == Topology()


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    text = '{"routers": [{"name": "leaf-1", "asn": 65001}], "attachments": [["n1", "leaf-1"]]}'
    assert topology(tmp_path, text) == topology(tmp_path, yaml.safe_load(text))


def attachments(folder: Path, content: str | bytes) -> tuple[tuple[str, str], ...]:
    return read_attachments(write(folder / "links.csv", content))


@pytest.mark.parametrize(
    "content",
    [
        "node,router\nn1,leaf 1\nn2,leaf 1\n",
        "n1,leaf 1\nn2,leaf 1",
        "router,node\nleaf 1,n1\nleaf 1,n2\n",
        " Node , Router \r\n n1 , leaf 1 \r\n n2 ,leaf 1\r\n",
        "\n\nnode,router\n\nn1,leaf 1\n   \n,\nn2,leaf 1\n\n",
        '"n1","leaf 1"\n"n2","leaf 1"\n',
        "\ufeffnode,router\nn1,leaf 1\nn2,leaf 1\n",
        "n1,leaf 1\rn2,leaf 1\r",
        "node,router\nn1,leaf 1\nn2,leaf 1\n".encode("utf-16"),
    ],
    ids=["header", "none", "swapped", "spaces-crlf", "blank-lines", "quoted", "bom", "old-mac", "utf-16"],
)
def test_attachments_are_read_from_csv(tmp_path: Path, content: str | bytes) -> None:
    assert attachments(tmp_path, content) == (("n1", "leaf 1"), ("n2", "leaf 1"))


@pytest.mark.parametrize("content", ["", "\n", "node,router\n"])
def test_a_csv_file_without_an_attachment_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"links.csv: holds no attachment"):
        attachments(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("n1\n", "line 1 must hold a node and a router, two names"),
        ("n1,leaf-1\nn2,\n", "line 2 must hold a node and a router, two names"),
        ("node,router,port\nn1,leaf-1,e1\n", "line 1 must hold a node and a router, two names"),
        ("n1;leaf-1\n", "line 1 must hold a node and a router, two names"),
        ("\n\nleaf 1,n1\n", "line 3: 'leaf 1' cannot be the name of a node"),
        ("n1,leaf\x001\n", "line 1: the router must be printable text, not 'leaf\\x001'"),
        ('n1,"leaf\n1"\n', "line 2: the router must be printable text, not 'leaf\\n1'"),
        ('n1,"leaf', "not valid CSV (unexpected end of data)"),
        ('n1,"leaf"x\n', "not valid CSV (',' expected after '\"')"),
        ("n1," + "x" * 200_000, "not valid CSV (field larger than field limit (131072))"),
        (b"n1,\xff\n", "not UTF-8 text"),
        (b"\xff\xfen\x00,\xd8", "not valid UTF-16 text"),
    ],
)
def test_a_csv_file_that_holds_something_else_is_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    write(tmp_path / "links.csv", content)
    assert refused(tmp_path, {"attachments": "links.csv"}) == f"links.csv: {sentence}"


@pytest.mark.parametrize("name", ["missing.csv", ".", "a\0b.csv", "folder/none.csv"])
def test_a_csv_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, {"attachments": name})


def test_an_absolute_path_of_a_csv_file_is_taken_as_it_is(tmp_path: Path) -> None:
    links = write(tmp_path / "elsewhere" / "links.csv", "n1,leaf-1\n")
    assert topology(tmp_path, {"attachments": str(links)}).attachments == (("n1", "leaf-1"),)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"router": []}, "t.yaml: unknown key 'router'; did you mean 'routers'?"),
        (router(adress="10.0.0.1"), "t.yaml: routers[0]: unknown key 'adress'; did you mean 'address'?"),
        (router(max_sessions=1), "t.yaml: routers[0]: unknown key 'max_sessions'; did you mean 'maxSessions'?"),
        (router(nodes={"cidr": []}), "t.yaml: routers[0].nodes: unknown key 'cidr'; did you mean 'cidrs'?"),
        (
            router(nodes={"selector": {"matchLabel": {}}}),
            "t.yaml: routers[0].nodes.selector: unknown key 'matchLabel'; did you mean 'matchLabels'?",
        ),
        ({"failureDomains": [{"kind": "zone", "label": "x"}]}, "t.yaml: failureDomains[0]: unknown key 'label'; "),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path, content: object, sentence: str) -> None:
    assert refused(tmp_path, content).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"routers": [{"name": "a"}, {"name": "a"}]}, "routers: the name 'a' is given twice"),
        (
            {"routers": [{"name": "a", "address": "fd00::1"}, {"name": "b", "address": "fd00:0::1"}]},
            "routers: the address 'fd00::1' is given twice",
        ),
        (
            {"failureDomains": [{"kind": "zone", "nodeLabel": "a"}, {"kind": "zone", "nodeLabel": "b"}]},
            "failureDomains: the kind 'zone' is given twice",
        ),
    ],
)
def test_what_is_given_twice_is_refused(tmp_path: Path, content: object, sentence: str) -> None:
    assert refused(tmp_path, content) == f"t.yaml: {sentence}"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, " (): name must be printable text, not ''"),
        ({"name": "a\nb"}, " (a\\nb): name must be printable text, not 'a\\nb'"),
        ({"address": "10.0.0"}, " (leaf-1): address: '10.0.0' is not an IP address"),
        ({"address": "leaf-1.example.com"}, " (leaf-1): address: 'leaf-1.example.com' is not an IP address"),
        ({"address": 167772161}, ".address: expected text, found a whole number"),
        ({"asn": 0}, " (leaf-1): asn must be from 1 to 4294967295, not 0"),
        ({"asn": 2**32}, " (leaf-1): asn must be from 1 to 4294967295, not 4294967296"),
        ({"asn": "65001"}, ".asn: expected a whole number, found text"),
        ({"asn": True}, ".asn: expected a whole number, found true or false"),
        ({"asn": 65001.5}, ".asn: expected a whole number, found a decimal number"),
        ({"maxSessions": -1}, " (leaf-1): maxSessions must be from 0 to 1000000, not -1"),
        ({"maxSessions": 10**9}, " (leaf-1): maxSessions must be from 0 to 1000000, not 1000000000"),
        ({"minSpeakers": -1}, " (leaf-1): minSpeakers must be from 0 to 1000000, not -1"),
        ({"domains": {"rack": ""}}, " (leaf-1): domains.rack must be printable text, not ''"),
        ({"domains": {"rack": 1}}, ".domains[...]: expected text, found a whole number"),
        ({"domains": {"\x1b": "r1"}}, " (leaf-1): domains: the kind must be printable text, not '\\x1b'"),
        ({"domains": ["rack"]}, ".domains: expected an object, found a list"),
        ({"nodes": ["n1"]}, ".nodes: expected an object, found a list"),
        ({"nodes": {"names": "n1"}}, ".nodes.names: expected a list, found text"),
        ({"nodes": {"names": ["N1"]}}, " (leaf-1): nodes.names: 'N1' cannot be the name of a node"),
        ({"nodes": {"cidrs": ["10.0.0.1/8"]}}, " (leaf-1): nodes.cidrs: 10.0.0.1/8 has host bits set"),
        ({"nodes": {"cidrs": ["10.0.0.0/33"]}}, " (leaf-1): nodes.cidrs: '10.0.0.0/33' does not appear to be an IPv4"),
        ({"nodes": {"selector": {"matchLabels": {"a b": "c"}}}}, " (leaf-1): nodes.selector.matchLabels: 'a b' is not"),
        (
            {"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}},
            " (leaf-1): nodes.selector.matchExpressions: operator 'Gt' is not one of In, NotIn, Exists, DoesNotExist",
        ),
        (
            {"nodes": {"selector": {"matchExpressions": [{"key": "a"}]}}},
            ".nodes.selector.matchExpressions[0]: the field operator",
        ),
    ],
)
def test_a_router_with_an_impossible_field_is_refused(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    place = "t.yaml: routers[0]"
    assert refused(tmp_path, router(**fields)).startswith(place + sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"routers": {"leaf-1": {}}}, "routers: expected a list, found an object"),
        ({"routers": [{}]}, "routers[0]: the field name is missing"),
        ({"routers": ["leaf-1"]}, "routers[0]: expected an object, found text"),
        ({"routers": None}, "routers: expected a list, found null"),
        ({"routersFromLabel": 5}, "routersFromLabel: expected text, found a whole number"),
        ({"routersFromLabel": "a b"}, "routersFromLabel: 'a b' is not a label key"),
        ({"routersFromLabel": ""}, "routersFromLabel: '' is not a label key"),
        ({"attachments": [["n1"]]}, "attachments[0]: expected a list of length 2, found 1"),
        ({"attachments": [["n1", ""]]}, "attachments[0]: the router must be printable text, not ''"),
        ({"attachments": [["$(n1)", "leaf-1"]]}, "attachments[0]: '$(n1)' cannot be the name of a node"),
        ({"attachments": {"n1": "leaf-1"}}, "attachments: expected text or a list, found an object"),
        ({"failureDomains": [{"kind": "zone"}]}, "failureDomains[0]: the field nodeLabel is missing"),
        ({"failureDomains": [{"kind": "", "nodeLabel": "a"}]}, "failureDomains: the kind must be printable text"),
        ({"failureDomains": [{"kind": "z", "nodeLabel": "a/b/c"}]}, "failureDomains (z): nodeLabel: 'a/b/c' is not a "),
    ],
)
def test_a_topology_of_wrong_types_is_refused(tmp_path: Path, content: object, sentence: str) -> None:
    assert refused(tmp_path, content).startswith(f"t.yaml: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("routersFromLabel: a\nroutersFromLabel: b", "t.yaml: line 2: not valid YAML (key 'routersFromLabel' is given"),
        ('{"routers": [{"name": "a", "name": "b"}]}', "t.yaml: not valid JSON (key 'name' is given twice)"),
        ("- routers", "t.yaml: must hold one mapping of settings"),
        ("routers: [", "t.yaml: line 2: not valid YAML"),
        ("routers: []\n---\nrouters: []", "t.yaml: must hold one mapping of settings"),
    ],
)
def test_a_file_that_cannot_be_one_topology_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(tmp_path, text).startswith(sentence)


def test_an_address_of_ipv6_needs_no_quotes(tmp_path: Path) -> None:
    assert topology(tmp_path, "routers: [{name: a, address: 1:2:3:4:5:6:7:8}]").routers[0].address == "1:2:3:4:5:6:7:8"


def test_plain_data_is_checked_as_a_file_is() -> None:
    with pytest.raises(InputError, match=r"^p\.json: topology: unknown key 'x'; known are "):
        parse_topology({"x": 1}, "p.json: topology")

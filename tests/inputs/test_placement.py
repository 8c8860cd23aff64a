"""placement.json: what is written is read back, and what is no placement is refused."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.errors import InputError
from optimizer.inputs.placement import placement_to_json, read_placement
from optimizer.inputs.topology import Topology
from optimizer.model import Objective, Placement, Policy, Session
from tests.objects import write
from tests.strategies import placements, policies, topologies

PLACEMENT = Placement(
    status="optimal",
    objectives=(Objective("sessions", 2, 2),),
    speakers=("n1", "n2"),
    sessions=(Session("n1", "leaf"), Session("n2", "leaf")),
)


# To draw all that the three files may hold takes long on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(placements(), policies(), topologies())
def test_a_placement_written_and_read_again_is_the_same(
    placement: Placement, policy: Policy, topology: Topology
) -> None:
    data = placement_to_json(placement, policy, topology)
    with TemporaryDirectory() as folder:
        found = read_placement(write(Path(folder) / "placement.json", data))
    assert found == (placement, policy, topology)
    assert placement_to_json(*found) == data


def test_the_file_holds_what_the_contract_says() -> None:
    data = json.loads(placement_to_json(PLACEMENT, Policy(), Topology()))
    assert list(data)[:3] == ["apiVersion", "kind", "status"]
    assert (data["apiVersion"], data["kind"], data["status"]) == ("bgp-speakers/v1", "Placement", "optimal")
    assert data["objectives"] == [{"name": "sessions", "value": 2, "bound": 2}]
    assert data["speakers"] == ["n1", "n2"]
    assert data["sessions"] == [{"node": "n1", "router": "leaf"}, {"node": "n2", "router": "leaf"}]
    assert data["today"] == {"speakers": 0, "sessions": 0, "working": None, "up": None, "down": None}


def changed(folder: Path, **changes: Any) -> Path:
    data = json.loads(placement_to_json(PLACEMENT, Policy(), Topology()))
    return write(folder / "placement.json", data | changes)


def test_fields_that_a_later_version_may_add_are_passed_over(tmp_path: Path) -> None:
    assert read_placement(changed(tmp_path, later={"a": 1}))[0] == PLACEMENT


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_placement(path)
    assert str(caught.value).isprintable()
    return str(caught.value).replace(f"{path}: ", "")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"apiVersion": "bgp-speakers/v2"}, "apiVersion: invalid enum value 'bgp-speakers/v2'"),
        ({"kind": "List"}, "kind: invalid enum value 'List'"),
        ({"status": "good"}, "status: invalid enum value 'good'"),
        ({"speakers": "n1"}, "speakers: expected a list, found text"),
        ({"speakers": [1]}, "speakers[0]: expected text, found a whole number"),
        ({"sessions": [["n1", "leaf"]]}, "sessions[0]: expected an object, found a list"),
        ({"sessions": [{"node": "n1"}]}, "sessions[0]: the field router is missing"),
        (
            {"objectives": [{"name": "sessions", "value": 1.5}]},
            "objectives[0].value: expected a whole number, found a decimal number",
        ),
        ({"today": None}, "today: expected an object, found null"),
        ({"policy": []}, "policy: expected an object, found a list"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    assert refused(changed(tmp_path, **changes)) == f"not a placement of version bgp-speakers/v1 ({sentence})"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"policy": {"pering": "selected"}}, "policy: unknown key 'pering'; did you mean 'peering'?"),
        ({"policy": {"maxMoves": -1}}, "policy: maxMoves must be from 0 to 10000000, not -1"),
        ({"topology": {"routers": [{}]}}, "topology: routers[0]: the field name is missing"),
        ({"topology": {"attachments": "x.csv"}}, "topology: attachments must be (node, router) pairs in a placement"),
    ],
)
def test_policy_and_topology_in_it_are_checked(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    assert refused(changed(tmp_path, **changes)) == sentence


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "kind: Placement",
        b"\x00\xff",
        placement_to_json(PLACEMENT, Policy(), Topology())[:-20],
        '{"policy": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
        '{"status": "optimal", "speakers": ["\\ud800"]}',
    ],
    ids=["empty", "object", "array", "yaml", "binary", "cut-off", "deep", "surrogate"],
)
def test_what_is_no_placement_is_refused(tmp_path: Path, content: str | bytes) -> None:
    assert refused(write(tmp_path / "placement.json", content)).startswith("not a placement of version bgp-speakers/v1")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.json") == "no such file"
    assert refused(tmp_path) == "Is a directory"

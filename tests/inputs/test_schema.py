"""The JSON Schemas of the file formats: up to date, and they agree with what the readers accept.

`UPDATE_SCHEMAS=1 pytest tests/inputs/test_schema.py` writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from optimizer.cli.main import main
from optimizer.errors import InputError
from optimizer.inputs.policy import parse_policy
from optimizer.inputs.schema import KINDS, make_schema, schema_text
from optimizer.inputs.topology import parse_topology

ROOT = Path(__file__).parents[2]
EXAMPLES, BAD = ROOT / "examples", Path(__file__).with_name("data")
SCHEMAS = ROOT / "optimizer" / "inputs" / "schemas"


def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_up_to_date_and_printed(kind: str) -> None:
    if os.environ.get("UPDATE_SCHEMAS"):
        (SCHEMAS / f"{kind}.json").write_text(make_schema(kind))
    assert schema_text(kind) == make_schema(kind)
    result = CliRunner().invoke(main, ["schema", kind])
    assert (result.exit_code, result.stdout) == (0, schema_text(kind))
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_are_plain_sentences(kind: str) -> None:
    def walk(part: Any) -> None:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if key == "description" and isinstance(value, str):
                assert value.isprintable()
                assert "  " not in value
                assert "None" not in value
            elif isinstance(value, dict | list):
                walk(value)

    walk(json.loads(schema_text(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: str) -> None:
    schema = json.loads(schema_text(kind))
    parts = [schema, *(schema["$defs"][name] for name in schema["$defs"] if name.endswith(("Setting", "Settings")))]
    constant = {"apiVersion", "kind"}
    for part in parts:
        for name, field in part["properties"].items():
            assert "description" in field or name in constant, name


def test_the_examples_topologies_and_policies_are_valid() -> None:
    for kind in ("topology", "policy"):
        files = sorted(EXAMPLES.glob(f"*/{kind}.yaml"))
        assert files
        for file in files:
            validator(kind).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("kind", ["topology", "policy"])
def test_an_unknown_key_is_not_valid(kind: str) -> None:
    data = yaml.safe_load((BAD / f"unknown-key.{kind}.yaml").read_text())
    assert not validator(kind).is_valid(data)


def test_what_optimize_writes_is_valid(tmp_path: Path) -> None:
    statuses = set()
    for cluster in sorted(EXAMPLES.glob("*/cluster.yaml")):
        beside = cluster.with_name("topology.yaml")
        given = ["--topology", str(beside)] if beside.exists() else []
        output = tmp_path / f"{cluster.parent.name}.json"
        CliRunner().invoke(main, ["optimize", str(cluster), *given, "-o", str(output)])
        if output.exists():
            placement = json.loads(output.read_text())
            validator("placement").validate(placement)
            statuses.add(placement["status"])
            assert not validator("placement").is_valid(placement | {"policy": {"speakersPerRooter": 2}})
            assert validator("placement").is_valid(placement | {"added": "later"})
    assert statuses == {"optimal", "infeasible"}


def accepted(kind: str, data: Any) -> bool:
    try:
        {"topology": parse_topology, "policy": parse_policy}[kind](data, "")
    except InputError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "path", "within"),
    [
        ("policy", "speakersPerRouter", {}),
        ("policy", "maxMoves", {}),
        ("policy", "timeLimit", {}),
        ("policy", "speaker.maxSessions", {}),
        ("policy", "survive.0.survivors", {"kind": "rack"}),
        ("policy", "nodes.cost.0.cost", {"selector": {}}),
        ("topology", "routers.0.maxSessions", {"name": "r"}),
        ("topology", "routers.0.minSpeakers", {"name": "r"}),
        ("topology", "routers.0.asn", {"name": "r"}),
    ],
)
def test_the_bounds_are_those_of_the_readers(kind: str, path: str, within: dict[str, Any]) -> None:
    *outer, field = path.split(".")

    def with_value(value: float) -> Any:
        data: Any = within | {field: value}
        for key in reversed(outer):
            data = [data] if key == "0" else {key: data}
        return data

    for value in (-1, 0, 0.05, 0.1, 1, 1_000_000, 1_000_001, 10_000_000, 10_000_001, 2**32 - 1, 2**32):
        data = with_value(value)
        assert accepted(kind, data) == validator(kind).is_valid(data), value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("policy", {"goals": []}),
        ("policy", {"goals": ["sessions", "sessions"]}),
        ("policy", {"mode": "bgb"}),
        ("policy", {"speaker": {"requests": {"gpu": 1}}}),
        ("policy", {"speaker": {"label": "no equals"}}),
        ("policy", {"nodes": {"exclude": [{"matchLabel": {}}]}}),
        ("topology", {"routers": [{"address": "10.0.0.1"}]}),
        ("topology", {"routers": [{"name": ""}]}),
        ("topology", {"attachments": [["n1", "r1", "r2"]]}),
        ("topology", {"failureDomains": [{"kind": "rack"}]}),
    ],
)
def test_what_the_readers_refuse_is_not_valid_either(kind: str, data: Any) -> None:
    assert not accepted(kind, data)
    assert not validator(kind).is_valid(data)

"""The file formats as JSON Schema: made from the structs that read them, kept as files beside this one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KINDS = ("topology", "policy", "placement")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(kind: str) -> str:
    """The JSON Schema of a file format, as it is kept in the package."""
    from importlib import resources

    return resources.files(__package__).joinpath("schemas", f"{kind}.json").read_text(encoding="utf-8")


def make_schema(kind: str) -> str:
    """The same, made from the structs; a test keeps the file equal to it."""
    import msgspec

    from .placement import PlacementFile
    from .policy import PolicyFile
    from .topology import Topology

    topology, policy = closed(definitions(Topology)), closed(definitions(PolicyFile))
    root: Mapping[str, Any]
    if kind == "placement":
        parts = {**topology, **policy, **definitions(PlacementFile)}
        root = parts.pop("PlacementFile")
        asked = {"policy": "PolicyFile", "topology": "Topology"}
        fields = {name: root["properties"][name] for name in asked}
        # What was asked for is read as plain data first, and then by the readers of those files.
        refined = {
            name: {"description": field["description"], "$ref": f"#/$defs/{asked[name]}"}
            for name, field in fields.items()
        }
        root = {**root, "properties": {**root["properties"], **refined}}
    else:
        parts = topology if kind == "topology" else policy
        root = parts.pop("Topology" if kind == "topology" else "PolicyFile")
    head = {"$schema": DIALECT, "$id": f"urn:bgp-speakers:v1:{kind}"}
    whole = described({**head, **root, "title": f"bgp-speakers {kind} file", "$defs": dict(sorted(parts.items()))})
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def definitions(type_: type) -> dict[str, dict[str, Any]]:
    """The schemas of a struct and of those within, by their names."""
    import msgspec

    found: dict[str, dict[str, Any]] = msgspec.json.schema(type_)["$defs"]
    return found


def described(part: Any) -> Any:
    """A schema whose descriptions, which are docstrings, stand on one line and in the words of JSON.

    >>> described({"description": "How many,\\n    or None."})
    {'description': 'How many, or null.'}
    """
    if isinstance(part, list):
        return [described(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: described(value) for key, value in part.items()}
    if isinstance(found.get("description"), str):
        found["description"] = re.sub(r"\bNone\b", "null", " ".join(found["description"].split()))
    return found


def closed(parts: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Schemas of objects that take no other keys than those named."""
    return {
        name: {**part, "additionalProperties": False} if "properties" in part else part for name, part in parts.items()
    }

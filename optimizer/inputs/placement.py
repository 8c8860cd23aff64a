"""placement.json: the answer together with the policy and topology that it answers, so that it can be checked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..model import Conflict, Count, Objective, Paths, Placement, Policy, Session, Shortfall, Status
from ..words import explain
from .policy import parse_policy, policy_to_data
from .text import read_text
from .topology import Topology, parse_topology

API_VERSION = "bgp-speakers/v1"


class PlacementFile(Struct, frozen=True, rename="camel"):
    """The file format v1."""

    api_version: Literal["bgp-speakers/v1"]
    kind: Literal["Placement"]
    status: Status
    policy: dict[str, Any]
    topology: dict[str, Any]
    objectives: tuple[Objective, ...] = ()
    speakers: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    today: Count = Count(0, 0)
    eligible: int = 0
    ineligible: dict[str, int] = {}
    diagnosis: tuple[Conflict, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    paths: tuple[Paths, ...] = ()
    warnings: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
    product: str = ""


def placement_to_json(placement: Placement, policy: Policy, topology: Topology) -> bytes:
    """The file's bytes: indented JSON, the same for the same answer."""
    fields = {name: getattr(placement, name) for name in placement.__struct_fields__}
    fields["ineligible"] = dict(placement.ineligible)
    file = PlacementFile(
        **fields,
        api_version="bgp-speakers/v1",
        kind="Placement",
        policy=policy_to_data(policy),
        topology=msgspec.to_builtins(topology),
    )
    plain = msgspec.to_builtins(file)
    # What was asked for comes last: readers look for the answer.
    asked = {key: plain.pop(key) for key in ("policy", "topology")}
    return msgspec.json.format(msgspec.json.encode(plain | asked), indent=2) + b"\n"


def read_placement(path: Path) -> tuple[Placement, Policy, Topology]:
    """The placement in a file with its policy and topology. Raises InputError naming the field."""
    try:
        file = msgspec.json.decode(read_text(path), type=PlacementFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a placement of version {API_VERSION} ({explain(str(error))})") from None
    policy = parse_policy(file.policy, f"{path}: policy")
    topology = parse_topology(file.topology, f"{path}: topology")
    if isinstance(topology.attachments, str):
        raise InputError(f"{path}: topology: attachments must be (node, router) pairs in a placement")
    placement = Placement(**{name: getattr(file, name) for name in Placement.__struct_fields__})
    return placement, policy, topology

"""placement.json: the answer together with the policy and topology that it answers, so that it can be checked again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from ..errors import InputError, ViolationError
from ..files import path_of
from ..findings import Finding
from ..model import Conflict, Count, Objective, Paths, Placement, Policy, Session, Shortfall, Status
from ..speakers import check_made_for
from ..words import explain
from .fields import about
from .policy import parse_policy, policy_to_data
from .routers import Places
from .text import made_by_hand, read_text
from .topology import Topology, parse_topology

API_VERSION = "bgp-speakers/v1"


Severity = Literal["warning", "hazard"]


class FindingRow(Struct, frozen=True):
    """A warning or hazard with its stable name."""

    rule: str
    severity: Severity
    object: str
    sentence: str


class PlacementFile(Struct, frozen=True, rename="camel"):
    """The answer of optimize, with what was asked for; fields may be added to the format."""

    api_version: Literal["bgp-speakers/v1"]
    kind: Literal["Placement"]
    status: Annotated[Status, about("optimal: proved; feasible: with a gap; infeasible: there is none.")]
    policy: Annotated[dict[str, Any], about("What was asked for, as in a policy file.")]
    topology: Annotated[dict[str, Any], about("The topology, as in a topology file, attachments as pairs.")]
    objectives: Annotated[tuple[Objective, ...], about("The goals in order, with value and proved bound.")] = ()
    speakers: Annotated[tuple[str, ...], about("The nodes that run a speaker, sorted.")] = ()
    sessions: Annotated[tuple[Session, ...], about("The BGP sessions, sorted.")] = ()
    today: Annotated[Count, about("What the cluster had when it was read.")] = Count(0, 0)
    eligible: Annotated[int, about("How many nodes could be chosen.")] = 0
    ineligible: Annotated[dict[str, int], about("How many nodes could not, by cause.")] = {}
    diagnosis: Annotated[tuple[Conflict, ...], about("Why there is no placement.")] = ()
    shortfalls: Annotated[tuple[Shortfall, ...], about("What a best-effort placement leaves open.")] = ()
    paths: Annotated[tuple[Paths, ...], about("Paths that routers hold for one service, today and then.")] = ()
    warnings: Annotated[tuple[str, ...], about("What the input leaves open, in sentences.")] = ()
    hazards: Annotated[tuple[str, ...], about("What to know about the change, in sentences.")] = ()
    findings: Annotated[tuple[FindingRow, ...], about("The warnings and hazards, each with its stable name.")] = ()
    product: Annotated[str, about("The product of the speakers, as --product takes it.")] = ""


def placement_to_json(placement: Placement, policy: Policy, topology: Topology) -> bytes:
    """The file's bytes: indented JSON, the same for the same answer."""
    fields = {name: getattr(placement, name) for name in placement.__struct_fields__}
    fields["ineligible"] = dict(placement.ineligible)
    fields |= {name: tuple(map(str, fields[name])) for name in ("warnings", "hazards")}
    file = PlacementFile(
        **fields,
        api_version="bgp-speakers/v1",
        kind="Placement",
        policy=policy_to_data(policy),
        findings=tuple(
            FindingRow(each.rule, severity, each.object, each.sentence)
            for severity, found in by_severity(placement)
            for each in found
        ),
        topology=msgspec.to_builtins(topology),
    )
    plain = msgspec.to_builtins(file)
    # What was asked for comes last: readers look for the answer.
    asked = {key: plain.pop(key) for key in ("policy", "topology")}
    return msgspec.json.format(msgspec.json.encode(plain | asked), indent=2) + b"\n"


def read_placement(path: str | Path) -> tuple[Placement, Policy, Topology]:
    """The placement in a file with its policy and topology. Raises InputError naming the field."""
    try:
        file = msgspec.json.decode(read_text(path_of(path, "placement")), type=PlacementFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a placement of version {API_VERSION} ({explain(str(error))})") from None
    policy = parse_policy(file.policy, f"{path}: policy")
    topology = parse_topology(file.topology, f"{path}: topology")
    if isinstance(topology.attachments, str):
        raise InputError(f"{path}: topology: attachments must be (node, router) pairs in a placement")
    fields = {name: getattr(file, name) for name in Placement.__struct_fields__}
    placement = Placement(**fields | {"warnings": found(file, "warning"), "hazards": found(file, "hazard")})
    return placement, policy, topology


def by_severity(placement: Placement) -> tuple[tuple[Severity, tuple[Finding, ...]], ...]:
    """The findings of a placement."""
    return ("warning", placement.warnings), ("hazard", placement.hazards)


def found(file: PlacementFile, severity: Severity) -> tuple[Finding, ...]:
    """The findings in a file; files of earlier releases hold their sentences alone."""
    if file.findings:
        return tuple(
            Finding(each.rule, each.sentence, each.object) for each in file.findings if each.severity == severity
        )
    return tuple(Finding("", sentence) for sentence in (file.warnings if severity == "warning" else file.hazards))


def read_feasible(path: Path, product: str = "") -> tuple[Placement, Policy, Topology]:
    """The same where there is a placement, for a product that is supported, and for `product` if one is named; raises
    ViolationError too."""
    placement, policy, topology = read_placement(path)
    check_made_for(placement.product, product, str(path))
    check_feasible(placement, str(path))
    return placement, policy, topology


def places_of(path: Path) -> Places:
    """Where all that is in a placement's file comes from, for sentences."""
    return Places(f"{path}: policy", f"{path}: topology", str(path))


def checked_placement(placement: Placement) -> Placement:
    """A placement that somebody gave, which may be made by hand. Raises InputError, and ViolationError as below."""
    made_by_hand(placement, Placement, "placement")
    check_feasible(placement, "the answer")
    return placement


def check_feasible(placement: Placement, name: str) -> None:
    """Raise ViolationError where the answer was that there is no placement."""
    if placement.status == "infeasible":
        raise ViolationError((f"{name} holds no placement: its status is infeasible",))

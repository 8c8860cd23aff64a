"""The rollback file: what each plan for a cluster takes back, written before its first change is made."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from ..errors import InputError
from ..files import write_file
from ..kube.changes import Change, Create, Delete, Patch, key_of
from ..model import Placement
from ..plan.steps import Wait
from ..words import explain
from .stages import Stage


class Operation(Struct, frozen=True):
    """An operation of a JSON patch."""

    op: Literal["add", "remove", "replace", "test"]
    path: Annotated[str, msgspec.Meta(pattern="^(/([^~/]|~[01])*)+$")]
    value: Any = msgspec.UNSET


class Named(Struct):
    """What names an object."""

    name: str
    namespace: str = ""


class Created(Struct):
    """The parts of an object without which it cannot be created."""

    kind: str
    metadata: Named
    spec: dict[str, Any]

    def manifest(self) -> dict[str, Any]:
        """As an object has them."""
        return {"kind": self.kind, "metadata": {"name": self.metadata.name, "namespace": self.metadata.namespace}}


class UndoStep(Struct, frozen=True, omit_defaults=True):
    """What takes one stage back, and what must hold before."""

    slug: str
    why: str
    changes: tuple[Change, ...]
    wait: Wait = ""


class Leg(Struct, frozen=True):
    """One plan: its stages taken back in the order in which that is to be done, and the speakers that were up before
    it, and by peer object the nodes with a session.

    `kept` and `levels` are those of its `Goal`: what a restart on the way back leaves each peer object's router.
    """

    steps: tuple[UndoStep, ...]
    speakers: tuple[str, ...]
    sessions: dict[str, tuple[str, ...]]
    kept: dict[str, int] = {}
    levels: dict[str, int] = {}


class Journal(Struct, frozen=True, rename="camel"):
    """The file format v1. `uid` is that of the DaemonSet, `placement` tells to which placement the plans lead."""

    namespace: str
    daemonset: str
    uid: str
    label: tuple[str, str]
    mode: str
    placement: str
    legs: tuple[Leg, ...]
    api_version: Literal["bgp-speakers/v1"] = "bgp-speakers/v1"
    kind: Literal["Rollback"] = "Rollback"


def fingerprint(placement: Placement) -> str:
    """What tells placements apart: their speakers and sessions."""
    text = msgspec.json.encode([sorted(placement.speakers), sorted(placement.sessions)])
    return hashlib.sha256(text).hexdigest()


def leg_of(
    stages: Iterable[Stage],
    speakers: Iterable[str],
    sessions: Iterable[tuple[str, str]],
    kept: Mapping[str, int],
    levels: Mapping[str, int],
) -> Leg:
    """The way back of a plan."""
    steps = [UndoStep(each.slug, f"take back: {each.why}", each.undo, each.undo_wait) for each in stages if each.undo]
    by_peer: defaultdict[str, list[str]] = defaultdict(list)
    for node, peer in sorted(sessions):
        by_peer[peer].append(node)
    held = {peer: tuple(nodes) for peer, nodes in sorted(by_peer.items())}
    return Leg(tuple(reversed(steps)), tuple(sorted(speakers)), held, dict(kept), dict(levels))


def read_journal(path: Path) -> Journal | None:
    """The rollback file; None where there is none. Raises InputError."""
    try:
        journal = msgspec.json.decode(path.read_bytes(), type=Journal)
        check_patches(journal)
        return journal
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a rollback file of version bgp-speakers/v1 ({explain(str(error))})") from None


def check_patches(journal: Journal) -> None:
    """Raise msgspec.ValidationError for a change that is none of ours: somebody has edited the file."""
    changes = [change for leg in journal.legs for step in leg.steps for change in step.changes]
    daemonset = ("DaemonSet", journal.namespace, journal.daemonset)
    for change in changes:
        match change:
            case Patch(kind, namespace, name, _, _) | Delete(kind, namespace, name):
                target = (kind, namespace, name)
            case Create(manifest):
                target = key_of(msgspec.convert(manifest, Created).manifest())
            case _:
                continue
        if target[:2] != ("BgpPeer", "") and not (target == daemonset and isinstance(change, Patch)):
            raise msgspec.ValidationError(f"it would change {' '.join(filter(None, target))}")
        if isinstance(change, Patch):
            operations = msgspec.convert(change.body, list[Operation])
            if change.type != "json" or any(each.value is msgspec.UNSET and each.op != "remove" for each in operations):
                raise msgspec.ValidationError(f"a patch of {kind} {name} is not one of ours")


def write_journal(path: Path, journal: Journal) -> None:
    """Write the file whole, and on the disk before this returns. Raises OutputError."""
    write_file(path, msgspec.json.format(msgspec.json.encode(journal), indent=2) + b"\n")

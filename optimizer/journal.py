"""The rollback file: what each plan for a cluster takes back, written before its first change is made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from .documents import explain
from .errors import InputError, OutputError
from .manifests import Change
from .model import Placement
from .plan import Wait
from .stages import Stage


class UndoStep(Struct, frozen=True, omit_defaults=True):
    """What takes one stage back, and what must hold before."""

    slug: str
    why: str
    changes: tuple[Change, ...]
    wait: Wait = ""


class Leg(Struct, frozen=True):
    """One plan: its stages taken back in the order in which that is to be done, and the speakers and sessions, as
    (node, peer object), that were up before it.

    `kept` and `levels` are those of its `Goal`: what a restart on the way back leaves each peer object's router.
    """

    steps: tuple[UndoStep, ...]
    speakers: tuple[str, ...]
    sessions: tuple[tuple[str, str], ...]
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
    return Leg(tuple(reversed(steps)), tuple(sorted(speakers)), tuple(sorted(sessions)), dict(kept), dict(levels))


def read_journal(path: Path) -> Journal | None:
    """The rollback file; None where there is none. Raises InputError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a rollback file of version bgp-speakers/v1 ({explain(str(error))})") from None


def write_journal(path: Path, journal: Journal) -> None:
    """Write the file whole, and on the disk before this returns. Raises OutputError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(journal), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from None

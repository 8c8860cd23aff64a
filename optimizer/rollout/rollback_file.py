"""The rollback file: what each plan for a cluster takes back, written before its first change is made."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct, structs

from ..errors import InputError
from ..files import write_file
from ..kube.changes import Change, Create, Delete, Patch, key_of
from ..kube.kinds import DAEMONSET
from ..model import Placement
from ..plan.inverse import ends_with_template, inverse_steps
from ..plan.steps import Needs, Step
from ..plan.template import edits_template
from ..speakers import PRODUCTS, product_named
from ..words import explain
from .belief import PeerSession


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


class WayBack(Struct, frozen=True):
    """What takes one plan back: the steps in the order in which they are to be made, and the speakers that were up
    before the plan, and by peer object the nodes with a session.

    `kept` and `levels` are those of its `Goal`: what a restart on the way back leaves each peer object's router.
    """

    steps: tuple[Step, ...]
    speakers: tuple[str, ...]
    sessions: dict[str, tuple[str, ...]]
    kept: dict[str, int] = {}
    levels: dict[str, int] = {}


class Rollback(Struct, frozen=True, rename={"ways": "legs", "api_version": "apiVersion"}):
    """The file format v1. `uid` is that of the DaemonSet, `placement` tells to which placement the plans lead; `ways`
    take the plans back, the last one first."""

    namespace: str
    daemonset: str
    uid: str
    label: tuple[str, str]
    mode: str
    placement: str
    ways: tuple[WayBack, ...]
    product: str
    api_version: Literal["bgp-speakers/v1"] = "bgp-speakers/v1"
    kind: Literal["Rollback"] = "Rollback"


class Head(Struct):
    """What tells a file apart from one of the first version, which names no product."""

    product: str | None = None


class OldStep(Struct, frozen=True):
    """A step as the first version has written it."""

    slug: str
    why: str
    changes: tuple[Change, ...]
    wait: Needs = ""


class OldWay(Struct, frozen=True):
    """A way back as the first version has written it."""

    steps: tuple[OldStep, ...]
    speakers: tuple[str, ...]
    sessions: dict[str, tuple[str, ...]]
    kept: dict[str, int] = {}
    levels: dict[str, int] = {}

    def way_back(self) -> WayBack:
        """The same as of today: what comes after an edit of the template waits until that is known."""
        steps, settled = list[Step](), False
        for old in self.steps:
            steps.append(Step(old.slug, old.why, (old.changes,), needs=old.wait, settled=settled))
            settled = any(map(edits_template, old.changes))
        return WayBack(tuple(steps), self.speakers, self.sessions, self.kept, self.levels)


class OldRollback(Struct, frozen=True, rename={"api_version": "apiVersion"}):
    """The file as the first version has written it."""

    namespace: str
    daemonset: str
    uid: str
    label: tuple[str, str]
    mode: str
    placement: str
    legs: tuple[OldWay, ...]
    api_version: Literal["bgp-speakers/v1"] = "bgp-speakers/v1"
    kind: Literal["Rollback"] = "Rollback"

    def rollback(self) -> Rollback:
        """The same as of today."""
        ways = chained([old.way_back() for old in self.legs])
        return Rollback(
            self.namespace, self.daemonset, self.uid, self.label, self.mode, self.placement, ways, product=""
        )


def fingerprint(placement: Placement) -> str:
    """What tells placements apart: their speakers and sessions."""
    text = msgspec.json.encode([sorted(placement.speakers), sorted(placement.sessions)])
    return hashlib.sha256(text).hexdigest()


def way_back(
    steps: Sequence[Step],
    speakers: Iterable[str],
    sessions: Iterable[PeerSession],
    kept: Mapping[str, int],
    levels: Mapping[str, int],
) -> WayBack:
    """What takes the steps of a plan back to these speakers and sessions."""
    by_peer: defaultdict[str, list[str]] = defaultdict(list)
    for node, peer in sorted(sessions):
        by_peer[peer].append(node)
    held = {peer: tuple(nodes) for peer, nodes in sorted(by_peer.items())}
    return WayBack(inverse_steps(steps), tuple(sorted(speakers)), held, dict(kept), dict(levels))


def chained(ways: Sequence[WayBack]) -> tuple[WayBack, ...]:
    """The ways back, where one whose turn comes after an edit of the template begins once that is known.

    Of a way of which all is taken back, no step is left.
    """
    found, edited = list(ways), False
    for index, way in reversed(list(enumerate(ways))):
        if way.steps:
            if edited:
                first = structs.replace(way.steps[0], settled=True)
                found[index] = structs.replace(way, steps=(first, *way.steps[1:]))
            edited = ends_with_template(way.steps)
    return tuple(found)


def read_rollback(path: Path) -> Rollback | None:
    """The rollback file; None where there is none. Raises InputError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:  # a NUL in it, or half of a surrogate pair
        raise InputError(f"{path}: cannot be the name of a file") from None
    try:
        if msgspec.json.decode(data, type=Head).product is None:
            old = msgspec.json.decode(data, type=OldRollback)
            check_changes("", old, (change for way in old.legs for step in way.steps for change in step.changes))
            return old.rollback()
        found = msgspec.json.decode(data, type=Rollback)
        steps = [step for way in found.ways for step in way.steps]
        check_changes(found.product, found, (change for step in steps for change in (*step.changes, *step.undo)))
        return found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a rollback file of version bgp-speakers/v1 ({explain(str(error))})") from None


def check_changes(product: str, found: Rollback | OldRollback, changes: Iterable[Change]) -> None:
    """Raise msgspec.ValidationError for a change that is none of ours: somebody has edited the file."""
    if product not in {"", *PRODUCTS}:
        raise msgspec.ValidationError(f"its product {product!r} is not known")
    # The first of a product's kinds is the one of its peer objects; the others are only read.
    peer = product_named(product).kinds[0]
    daemonset = (DAEMONSET.name, found.namespace, found.daemonset)
    for change in changes:
        match change:
            case Patch(kind, namespace, name, _, _) | Delete(kind, namespace, name):
                target = (kind, namespace, name)
            case Create(manifest):
                target = key_of(msgspec.convert(manifest, Created).manifest())
            case _:
                continue
        is_peer = target[0] == peer.name and peer.namespaced == bool(target[1])
        if not is_peer and not (target == daemonset and isinstance(change, Patch)):
            raise msgspec.ValidationError(f"it would change {' '.join(filter(None, target))}")
        if isinstance(change, Patch):
            operations = msgspec.convert(change.body, list[Operation])
            if change.type != "json" or any(each.value is msgspec.UNSET and each.op != "remove" for each in operations):
                raise msgspec.ValidationError(f"a patch of {kind} {name} is not one of ours")


def write_rollback(path: Path, found: Rollback) -> None:
    """Write the file whole, and on the disk before this returns. Raises OutputError."""
    write_file(path, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")

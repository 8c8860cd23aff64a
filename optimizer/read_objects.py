"""Files, folders and stdin -> the Kubernetes objects in them, one by one, each with the place where it was read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from . import kube
from .documents import explain, load_documents, read_bytes, to_utf8
from .errors import InputError
from .objects import Head, Meta

T = TypeVar("T")
SUFFIXES = (".json", ".yaml", ".yml")
OPENELB_GROUP = "network.kubesphere.io"
GROUPS = {
    "Node": ("",),
    "Pod": ("",),
    "DaemonSet": ("apps", "extensions", ""),
    "BgpPeer": (OPENELB_GROUP,),
    "BgpConf": (OPENELB_GROUP,),
}
"""The kinds that are read, each with its API groups: other products have kinds of the same name (Longhorn's Node)."""


class Item(Struct):
    """One object of the input: what it is, where it was read (`file`, and `place` in it), and its content as JSON."""

    kind: str
    group: str
    version: str
    name: str
    namespace: str
    file: str
    place: str
    content: Raw

    def load(self, type_: type[T]) -> T:
        """The content as `type_`. Raises InputError naming the file, the object and the field."""
        loaded: T = decode(self.content, type_, self.place)
        return loaded

    def manifest(self) -> dict[str, Any]:
        """The whole object, with the kind and namespace that a member of a typed list leaves to the list."""
        content: dict[str, Any] = self.load(dict)
        content = {**content, "apiVersion": f"{self.group}/{self.version}".removeprefix("/"), "kind": self.kind}
        if self.namespace:
            content["metadata"] = {**content["metadata"], "namespace": self.namespace}
        return content


def decode(content: Raw, type_: Any, place: str) -> Any:
    """JSON as `type_`. Raises InputError naming `place` and the field."""
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputError(f"{place}: {explain(str(error))}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply to be Kubernetes objects") from None


def sources(inputs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file; folders are walked in order, files of other endings in them are passed over."""
    seen: set[str] = set()
    for given in inputs:
        if given == "-":
            if sys.stdin is None:
                raise InputError("-: there is no standard input")
            yield "stdin", sys.stdin.buffer.read()
            continue
        path = Path(given)
        files = [path]
        if path.is_dir():
            found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            files = sorted(file for file in found if file.is_file() or file.is_symlink())
            if not files:
                raise InputError(f"{path}: the folder holds no .json, .yaml or .yml file")
        for file in files:
            data = read_bytes(file)
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield str(file), data


def objects(data: bytes, name: str) -> Iterator[Item]:
    """Every object in a text that is of a kind we read; the members of lists one by one."""
    data = to_utf8(data, name)
    if data[:4096].lstrip()[:1] == b"{":
        try:
            head = msgspec.json.decode(data, type=Head)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # several documents, YAML in flow style, or broken: load_documents tells which
        else:
            yield from members(Raw(data), head, Head(), name, name)
            return
    for document in load_documents(data, name):
        for entry in document if isinstance(document, list) else [document]:
            content = to_json(entry, name)
            yield from members(content, decode(content, Head, name), Head(), name, name)


def to_json(entry: Any, name: str) -> Raw:
    """An object that came as YAML, or among several, as JSON like all others. Raises InputError."""
    if not isinstance(entry, dict):
        raise InputError(f"{name}: holds {type(entry).__name__} where a Kubernetes object should be")
    try:
        return Raw(msgspec.json.encode(entry))
    except (TypeError, ValueError) as error:  # such as a list as the key of a mapping
        raise InputError(f"{name}: not a Kubernetes object ({error})") from None


def members(content: Raw, head: Head, outer: Head, position: str, name: str) -> Iterator[Item]:
    """The object itself, or the members of the list that it is, of lists in it too."""
    if not head.kind.endswith("List"):
        yield from identify(content, head, outer, position, name)
        return
    for index, member in enumerate(decode(head.items, list[Raw] | None, f"{position}: items") or ()):
        place = f"{position}: items[{index}]"
        yield from members(member, decode(member, Head, place), head, place, name)


def identify(content: Raw, head: Head, outer: Head, position: str, name: str) -> Iterator[Item]:
    """The item for one object; members of a `NodeList` may leave their kind to the list."""
    kind = head.kind or outer.kind.removesuffix("List")
    if not kind:
        raise InputError(f"{position}: not a Kubernetes object, it has no kind")
    group, _, version = (head.api_version or outer.api_version).rpartition("/")
    if group not in GROUPS.get(kind, ()):
        return
    meta = decode(head.metadata, Meta | None, f"{position}: metadata") or Meta()
    if not meta.name:
        raise InputError(f"{position}: {kind} without metadata.name")
    namespace = (meta.namespace or "default") if kind in ("Pod", "DaemonSet") else ""
    for part in (meta.name, namespace) if namespace else (meta.name,):
        if not kube.is_dns_subdomain(part):
            raise InputError(f"{position}: {part!r} cannot be the name of a {kind} or its namespace")
    shown = f"{namespace}/{meta.name}" if namespace else meta.name
    yield Item(kind, group, version, meta.name, namespace, name, f"{name}: {kind} {shown}", content)

"""Files, folders and stdin -> the Kubernetes objects in them, one by one, each with the place where it was read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from .documents import convert, explain, load_documents, read_bytes, to_utf8
from .errors import InputError
from .objects import Head, ItemList, Meta

T = TypeVar("T")
SUFFIXES = (".json", ".yaml", ".yml")


class Item(Struct):
    """One object of the input: what it is, where it was read, and its content, decoded or not."""

    kind: str
    group: str
    version: str
    name: str
    namespace: str
    place: str
    content: Any

    def load(self, type_: type[T]) -> T:
        """The content as `type_`. Raises InputError naming the file, the object and the field."""
        if not isinstance(self.content, Raw):
            return convert(self.content, type_, self.place)
        try:
            return msgspec.json.decode(self.content, type=type_)
        except msgspec.DecodeError as error:
            raise InputError(f"{self.place}: {explain(str(error))}") from None


def sources(inputs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file; folders are walked in order, files of other endings in them are passed over."""
    seen: set[Path] = set()
    for given in inputs:
        if given == "-":
            yield "stdin", sys.stdin.buffer.read()
            continue
        path = Path(given)
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not files:
                raise InputError(f"{path}: the folder holds no .json, .yaml or .yml file")
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield str(file), read_bytes(file)


def objects(data: bytes, name: str) -> Iterator[Item]:
    """Every object in a text; the members of lists one by one."""
    data = to_utf8(data, name)
    if data[:4096].lstrip()[:1] == b"{":
        try:
            yield from members(msgspec.json.decode(data, type=ItemList), msgspec.Raw(data), name)
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # several documents, YAML in flow style, or broken: load_documents tells which
    for document in load_documents(data, name):
        for entry in document if isinstance(document, list) else [document]:
            if not isinstance(entry, dict):
                raise InputError(f"{name}: holds {type(entry).__name__} where a Kubernetes object should be")
            if isinstance(entry.get("items"), list) and str(entry.get("kind", "")).endswith("List"):
                for index, member in enumerate(entry["items"]):
                    if not isinstance(member, dict):
                        raise InputError(f"{name}: items[{index}] is not a Kubernetes object")
                    yield from identify(member, entry, f"{name}: items[{index}]", name)
            else:
                yield from identify(entry, {}, name, name)


def members(head: ItemList, whole: Raw, name: str) -> Iterator[Item]:
    """The members of a JSON list, or the one object that the text is."""
    outer = {"kind": head.kind, "apiVersion": head.api_version}
    if head.items is None or not head.kind.endswith("List"):
        yield from identify(whole, {}, name, name)
    else:
        for index, member in enumerate(head.items):
            yield from identify(member, outer, f"{name}: items[{index}]", name)


def identify(content: Any, outer: Mapping[str, Any], position: str, name: str) -> Iterator[Item]:
    """The item for one object; members of a `NodeList` may leave their kind to the list."""
    try:
        head = (
            msgspec.json.decode(content, type=Head) if isinstance(content, Raw) else msgspec.convert(content, type=Head)
        )
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{position}: {explain(str(error))}") from None
    kind = head.kind or str(outer.get("kind", "")).removesuffix("List")
    if not kind:
        raise InputError(f"{position}: not a Kubernetes object, it has no kind")
    group, _, version = (head.api_version or str(outer.get("apiVersion", ""))).rpartition("/")
    meta = head.metadata or Meta()
    namespace = (meta.namespace or "default") if kind in ("Pod", "DaemonSet") else ""
    shown = f"{namespace}/{meta.name}" if namespace else meta.name
    if not meta.name and kind in ("Node", "Pod", "DaemonSet", "BgpPeer"):
        raise InputError(f"{position}: {kind} without metadata.name")
    yield Item(kind, group, version, meta.name, namespace, f"{name}: {kind} {shown}", content)

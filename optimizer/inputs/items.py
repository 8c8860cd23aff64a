"""Files, folders and stdin -> the Kubernetes objects in them, one by one, each with the place where it was read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from ..errors import InputError
from ..kube.names import is_dns_subdomain
from ..kube.objects import (
    ConfObject,
    DaemonSetObject,
    Head,
    Kinded,
    Meta,
    NodeObject,
    Object,
    PeerObject,
    PodObject,
    Whole,
)
from ..progress import Tell, silent
from ..words import explain
from .text import Text, load_documents, read_text, to_utf8

T = TypeVar("T")
SUFFIXES = (".json", ".yaml", ".yml")
LARGE = 20 * 2**20
"""Bytes of a text from which it is told that it will take long."""

OPENELB_GROUP = "network.kubesphere.io"
GROUPS = {
    "Node": ("",),
    "Pod": ("",),
    "DaemonSet": ("apps", "extensions", ""),
    "BgpPeer": (OPENELB_GROUP,),
    "BgpConf": (OPENELB_GROUP,),
}
"""The kinds that are read, each with its API groups: other products have kinds of the same name (Longhorn's Node)."""

NAMESPACED = ("Pod", "DaemonSet")
DECODERS: Mapping[str, msgspec.json.Decoder[Object]] = {
    "Node": msgspec.json.Decoder(NodeObject),
    "Pod": msgspec.json.Decoder(PodObject),
    "DaemonSet": msgspec.json.Decoder(DaemonSetObject),
    "BgpPeer": msgspec.json.Decoder(PeerObject),
    "BgpConf": msgspec.json.Decoder(ConfObject),
}


class Item(Struct, gc=False):
    """One object of the input: what it is, the file where it was read, and its content as JSON.

    `found` are the fields that we use, where they could be read along with the kind.
    """

    kind: str
    group: str
    version: str
    name: str
    namespace: str
    file: str
    content: Raw
    found: Object | None = None

    @property
    def place(self) -> str:
        """The file and the object, for sentences."""
        return f"{self.file}: {self.kind} {f'{self.namespace}/{self.name}' if self.namespace else self.name}"

    def load(self, type_: type[T]) -> T:
        """The content as `type_`. Raises InputError naming the file, the object and the field."""
        if isinstance(self.found, type_):
            return self.found
        loaded: T = decode(self.content, type_, self.place)
        return loaded

    def manifest(self) -> dict[str, Any]:
        """The object without its status, with the kind and namespace that a typed list leaves to the list.

        (The status of a BgpPeer holds an entry for every node.)
        """
        parts = decode(self.content, dict[str, Raw], self.place)
        content = {key: decode(part, Any, self.place) for key, part in parts.items() if key != "status"}
        content |= {"apiVersion": f"{self.group}/{self.version}".removeprefix("/"), "kind": self.kind}
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


def sources(inputs: Sequence[str]) -> Iterator[tuple[str, Text]]:
    """(name, text) of every file; folders are walked in order, files of other endings in them are passed over."""
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
            text = read_text(file)
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield str(file), text


def objects(text: Text, name: str, tell: Tell = silent) -> Iterator[Item]:
    """Every object in a text that is of a kind we read; the members of lists one by one."""
    text = to_utf8(text, name)
    if bytes(text[:4096]).lstrip()[:1] == b"{":
        try:
            whole = msgspec.json.decode(text, type=Whole)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass  # several documents, YAML in flow style, a list of another form, or broken: below it is told which
        else:
            yield from (
                each_member(whole.items or (), whole, name, name)
                if whole.kind.endswith("List")
                else members(Raw(text), Head(), name, name)
            )
            return
    elif listed := kubectl_list(text, name, lambda: hint(text, name, tell)):
        yield from each_member(*listed, name, name)
        return
    hint(text, name, tell)
    for document in load_documents(text, name):
        for entry in document if isinstance(document, list) else [document]:
            yield from members(to_json(entry, name), Head(), name, name)


def hint(text: Text, name: str, tell: Tell) -> None:
    """Tell of a large text that takes long what would be read fast."""
    if len(text) >= LARGE:
        size = f"{name}: {len(text) >> 20} MB"
        tell(f"{size} that are not one list as kubectl prints it take long; one list of -o json is read fast")


def kubectl_list(text: Text, name: str, slow: Callable[[], None]) -> tuple[Iterator[Raw], Head] | None:
    """The members of a YAML list as kubectl prints it, and the list without them; None for any other text."""
    from . import kubectl_yaml  # which JSON does without

    found = kubectl_yaml.split(text, name, slow)
    if found is None:
        return None
    head: Head = decode(to_json(found[0], name), Head, name)
    return ((encode(item, name) for item in found[1]), head) if head.kind.endswith("List") else None


def to_json(entry: Any, name: str) -> Raw:
    """An object that came as YAML, or among several, as JSON like all others. Raises InputError."""
    if not isinstance(entry, dict):
        raise InputError(f"{name}: holds {type(entry).__name__} where a Kubernetes object should be")
    return encode(entry, name)


def encode(value: Any, name: str) -> Raw:
    """Plain data as JSON. Raises InputError."""
    try:
        return Raw(msgspec.json.encode(value))
    except (TypeError, ValueError) as error:  # such as a list as the key of a mapping
        raise InputError(f"{name}: not a Kubernetes object ({error})") from None


def members(content: Raw, outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The object itself, or the members of the list that it is, of lists in it too."""
    head: Head = decode(content, Head, position)
    if head.kind.endswith("List"):
        yield from each_member(decode(head.items, list[Raw] | None, f"{position}: items") or (), head, position, name)
    else:
        yield from identify(content, head, outer, position, name)


def each_member(contents: Iterable[Raw], outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The members of a list, each read at once as an object of the kind of the one before."""
    kind = outer.kind.removesuffix("List")
    for index, content in enumerate(contents):
        item = recognize(content, kind, outer, name)
        if item is not None:
            yield item
            continue
        kind = ""
        for found in members(content, outer, f"{position}: items[{index}]", name):
            kind = found.kind
            yield found


def recognize(content: Raw, kind: str, outer: Kinded, name: str) -> Item | None:
    """The item for one object if it is one of that kind without any fault; None where that is left to `identify`."""
    if kind not in DECODERS:
        return None
    try:
        found = DECODERS[kind].decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    group, _, version = (found.api_version or outer.api_version).rpartition("/")
    if (found.kind or outer.kind.removesuffix("List")) != kind or group not in GROUPS[kind]:
        return None
    namespace = (found.metadata.namespace or "default") if kind in NAMESPACED else ""
    if not is_dns_subdomain(found.metadata.name) or (namespace and not is_dns_subdomain(namespace)):
        return None
    return Item(kind, group, version, found.metadata.name, namespace, name, content, found)


def identify(content: Raw, head: Head, outer: Kinded, position: str, name: str) -> Iterator[Item]:
    """The item for one object; members of a `NodeList` may leave their kind to the list. Raises InputError."""
    kind = head.kind or outer.kind.removesuffix("List")
    if not kind:
        raise InputError(f"{position}: not a Kubernetes object, it has no kind")
    group, _, version = (head.api_version or outer.api_version).rpartition("/")
    if group not in GROUPS.get(kind, ()):
        return
    meta = decode(head.metadata, Meta | None, f"{position}: metadata") or Meta()
    if not meta.name:
        raise InputError(f"{position}: {kind} without metadata.name")
    namespace = (meta.namespace or "default") if kind in NAMESPACED else ""
    for part in (meta.name, namespace) if namespace else (meta.name,):
        if not is_dns_subdomain(part):
            raise InputError(f"{position}: {part!r} cannot be the name of a {kind} or its namespace")
    yield Item(kind, group, version, meta.name, namespace, name, content)
